package follower

// NewStateFile is the disk that a node has in files.
func NewStateFile(path string) Disk { return &stateFile{path: path} }
