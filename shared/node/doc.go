// Package node is what every node has, whatever its tier: the common settings, the logger, telemetry
// and health, the admin listener, the announcement on the bus, and one lifecycle around the parts that
// the tier itself adds. It knows no tier. Start reading at Run.
package node
