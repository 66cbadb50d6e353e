// Package disktest holds the contract of [follower.Disk] as tests, which every implementation runs: what a node knows
// of itself after a restart must hold for files as for what stands for them.
//
// It refuses to test what only files can show, such as a copy of them on another machine. Start reading at Run.
package disktest

import (
	"errors"
	"io/fs"
	"testing"

	"tiercache/shared/follower"
)

// Machine is where a node's processes live, one after the other or, by mistake, at once.
type Machine interface {
	// Start is the disk as another process has it.
	Start() follower.Disk
	// Kill ends the process that has it, as kill -9 does.
	Kill(follower.Disk)
	// Wipe loses what is there.
	Wipe() error
}

// Instances are as long as those of processes.
const (
	first  = "00112233445566778899aabbccddeeff"
	second = "ffeeddccbbaa99887766554433221100"
)

// Run runs the contract. open returns a machine whose disk is empty; it is called once for each test.
func Run(t *testing.T, open func(t *testing.T) Machine) {
	for name, check := range map[string]func(*testing.T, Machine){
		"TheViewThatWasSavedLast": view, "SetAside": setAside, "TheProcessBefore": before,
		"OnlyOneProcessAtATime": oneAtATime, "AProcessThatWasKilled": killed, "Wiped": wiped,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

func wantView(t *testing.T, d follower.Disk, want string) {
	t.Helper()
	got, err := d.Load()
	if want == "" {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a view that is not there: %q, %v", got, err)
		}
		return
	}
	if err != nil || string(got) != want {
		t.Errorf("loaded %q, %v, want %q", got, err, want)
	}
}

func save(t *testing.T, d follower.Disk, text string) {
	t.Helper()
	bytes := []byte(text)
	if err := d.Save(bytes); err != nil {
		t.Fatal(err)
	}
	clear(bytes) // they are the caller's
}

// taken makes a process the one that the next one knows, and wants it to know the one before.
func taken(t *testing.T, d follower.Disk, want string) {
	t.Helper()
	if err := d.Take(); err != nil {
		t.Fatal(err)
	}
	if got := d.Before(); got != want {
		t.Errorf("the process before is %q, want %q", got, want)
	}
}

func keep(t *testing.T, d follower.Disk, instance string) {
	t.Helper()
	if err := d.Keep(instance); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, m Machine) {
	d := m.Start()
	wantView(t, d, "")
	for _, text := range []string{"one", "another, which is longer", "3"} {
		save(t, d, text)
		wantView(t, d, text)
	}
	got, err := d.Load()
	if err != nil {
		t.Fatal(err)
	}
	clear(got) // so is what was loaded
	wantView(t, d, "3")
	m.Kill(d)
	wantView(t, m.Start(), "3")
}

func setAside(t *testing.T, m Machine) {
	d := m.Start()
	if err := d.SetAside(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	for range 2 {
		save(t, d, "damaged")
		if err := d.SetAside(); err != nil {
			t.Error(err)
		}
		wantView(t, d, "")
	}
	save(t, d, "whole")
	wantView(t, m.Start(), "whole")
}

func before(t *testing.T, m Machine) {
	d := m.Start()
	taken(t, d, "")
	keep(t, d, first)
	if got := d.Before(); got != "" {
		t.Errorf("the process before has become %q", got)
	}
	d.Release()
	for range 2 { // one that ends before it is a member changes nothing
		d = m.Start()
		taken(t, d, first)
		d.Release()
	}
	d = m.Start()
	taken(t, d, first)
	keep(t, d, second)
	keep(t, d, second)
	d.Release()
	d.Release()
	taken(t, m.Start(), second)
}

func oneAtATime(t *testing.T, m Machine) {
	one, other := m.Start(), m.Start()
	taken(t, one, "")
	keep(t, one, first)
	if err := other.Take(); err == nil {
		t.Errorf("two processes have it; the one before is %q", other.Before())
	}
	if got := other.Before(); got != "" {
		t.Errorf("a process that lives is named: %q", got)
	}
	keep(t, other, second) // changes nothing
	other.Release()
	if err := m.Start().Take(); err == nil {
		t.Error("released by one that does not have it")
	}
	one.Release()
	taken(t, other, first)
}

func killed(t *testing.T, m Machine) {
	d := m.Start()
	taken(t, d, "")
	keep(t, d, first)
	save(t, d, "view")
	m.Kill(d)
	d = m.Start()
	taken(t, d, first)
	wantView(t, d, "view")
}

func wiped(t *testing.T, m Machine) {
	d := m.Start()
	taken(t, d, "")
	keep(t, d, first)
	save(t, d, "view")
	m.Kill(d)
	if err := m.Wipe(); err != nil {
		t.Fatal(err)
	}
	d = m.Start()
	taken(t, d, "")
	wantView(t, d, "")
}
