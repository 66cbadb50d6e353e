// Package control is the control plane: the API by which people and programs see and steer the fleet.
//
// It owns who the fleet's nodes are (as far as the bus lets it hear them) and the API with its tokens
// and its OpenAPI description. It refuses to be on a request's path: edges, regional nodes and the
// origin serve on while it is away.
//
// Start reading at Control.Run; each part of the API is registered in api.go. The wire types are those
// of control/client, which is what other programs import.
package control
