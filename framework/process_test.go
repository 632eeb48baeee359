package framework_test

var roles = map[string]func(){}
