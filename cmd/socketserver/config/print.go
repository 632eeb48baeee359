package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// HCL returns the configuration that f stands for, for a file in the current directory.
func (f Flags) HCL() string {
	file := hclwrite.NewEmptyFile()
	body := file.Body()
	kind, name := "handler", f.Handler
	if f.Plugin != "" {
		kind, name = "plugin", f.Plugin
		if directory := cmp.Or(f.PluginDirectory, "plugins"); f.PluginPath == "" && filepath.Clean(directory) != "plugins" {
			body.AppendNewBlock("plugins", nil).Body().SetAttributeValue("directory", cty.StringVal(directory))
			body.AppendNewline()
		}
		if f.PluginPath != "" {
			body.AppendNewBlock("plugin", []string{name}).Body().SetAttributeValue("path", cty.StringVal(f.PluginPath))
			body.AppendNewline()
		}
	}
	server := body.AppendNewBlock("server", []string{serverName(name)}).Body()
	for _, url := range f.Listen {
		scheme, address, _ := strings.Cut(url, "://")
		word, secure := wordOf(scheme)
		path := "/"
		if word == "websocket" {
			address, path = splitPath(address)
		}
		transport := server.AppendNewBlock("transport", []string{word}).Body()
		transport.SetAttributeValue("address", cty.StringVal(address))
		if path != "/" {
			transport.SetAttributeValue("path", cty.StringVal(path))
		}
		if secure {
			pair := transport.AppendNewBlock("tls", nil).Body()
			pair.SetAttributeValue("certificate", cty.StringVal(f.Certificate))
			if f.Key != "" {
				pair.SetAttributeValue("key", cty.StringVal(f.Key))
			}
		}
	}
	server.AppendNewBlock("concurrency", []string{cmp.Or(f.Concurrency, "threading")})
	options := server.AppendNewBlock(kind, []string{name}).Body()
	for _, set := range f.Set {
		key, value, _ := strings.Cut(set, "=")
		options.SetAttributeValue(key, valueOf(value))
	}
	return string(onLine().ReplaceAllFunc(hclwrite.Format(file.Bytes()), func(block []byte) []byte {
		inside := bytes.TrimSpace(block[1 : len(block)-1])
		if len(inside) == 0 {
			return []byte("{}")
		}
		return fmt.Appendf(nil, "{ %s }", inside)
	}))
}

// onLine matches the inside of a block that has at most one attribute and fits on the line of its head.
var onLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{\n *([^\n{}]*)\n? *\}`) })

// valueOf returns a value of the command line: JSON, or text.
func valueOf(text string) cty.Value {
	var v ctyjson.SimpleJSONValue
	if json.Unmarshal([]byte(text), &v) == nil {
		return v.Value
	}
	return cty.StringVal(text)
}

// serverName makes the name of a server of that of a file.
func serverName(name string) string {
	var b strings.Builder
	for _, r := range name {
		if isName(b.String()+string(r), 64, "", " ._-") {
			b.WriteRune(r)
		}
	}
	return cmp.Or(b.String(), "server")
}
