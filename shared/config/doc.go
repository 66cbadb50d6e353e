// Package config fills a tier's configuration struct from its four sources, each overriding the one
// before: the defaults that are in the struct already, a YAML file, TIERCACHE_* variables, and flags.
//
// It owns how names and values are written in each source; which settings exist is the tier's
// business. The struct's fields are the only list of names there is: field `l1_size` is the YAML key
// l1_size, the variable TIERCACHE_L1_SIZE and the flag --l1-size, and all three read a value the same
// way. It refuses to guess: an unknown, repeated or ill-typed YAML field is an error with file, line
// and column. Variables that no field has are ignored, because several tiers share an environment.
//
// Fields that a single text cannot express (structs, lists of structs, maps) come from YAML only.
//
// What other parts find wrong with a value can be shown where it stands, too: Locate finds a field's place,
// Explain takes an error of Decode apart, and Encode writes a struct in the form that Decode reads.
//
// Start reading at Load.
package config
