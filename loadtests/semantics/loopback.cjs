// Loaded into the suite's server before its own code: the server listens on every address of the machine unless told
// otherwise, and has no setting that tells it.
const net = require('net')

const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (port) {
  return listen.call(this, Number(port), '127.0.0.1')
}
