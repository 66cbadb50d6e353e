package backup

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// killedWord has a process of this binary read what is to be archived from its standard input, to be killed meanwhile.
const killedWord = "keep"

// TestMain is also the program that PostgreSQL calls: PROGRAM control backup archive|fetch --repository DIR ...
func TestMain(m *testing.M) {
	if len(os.Args) > 5 && os.Args[1] == "control" && os.Args[2] == "backup" {
		os.Exit(command(os.Args[3], os.Args[5], os.Args[6:]))
	}
	os.Exit(m.Run())
}

func command(word, dir string, args []string) int {
	r, err := OpenOrCreate(dir)
	if err == nil {
		switch word {
		case "archive":
			err = r.Archive(args[0])
		case "fetch":
			err = r.Fetch(args[0], args[1])
		case killedWord:
			err = r.keep(os.Stdin, args[0])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if word == "fetch" && !errors.Is(err, ErrNotArchived) {
			return 200
		}
		return 1
	}
	return 0
}
