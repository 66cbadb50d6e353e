package config

// ExitInvalid is the exit status of a node's process that ends because of its settings, or of what they name, such
// as a file that is not there: a start with the same ones would end the same. It is EX_CONFIG of sysexits(3).
const ExitInvalid = 78
