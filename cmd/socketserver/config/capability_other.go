//go:build !linux

package config

var asAnother, first []struct{}

func lacking([]struct{}) string { return "" }
