package importer

import "github.com/zclconf/go-cty/cty"

// builtin makes a server of a service that a super server implements itself. why is the setting
// that says so.
func builtin(s *server, why setting, name string) {
	stream := len(s.listeners) > 0 && s.listeners[0].network != "udp"
	switch {
	case name == "echo":
		s.handler = "echo"
		if !stream {
			s.differ(why, "servers that echo datagrams can be made to answer each other: remove it unless it is needed")
		}
	case name == "discard":
		s.handler = "sink"
		s.differ(why, "sink logs what it discards")
	case name == "daytime" && !stream:
		s.handler = "timestamp"
		s.values["handler.framing"] = cty.StringVal("chunk")
		s.values["handler.format"] = cty.StringVal("{time}\r\n")
	case name == "daytime":
		s.refuse(why, "timestamp answers a message, and daytime writes without one")
	default:
		s.refuse(why, "no handler does what this builtin service does")
	}
}
