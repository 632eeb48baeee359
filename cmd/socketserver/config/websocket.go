package config

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// urlPath keeps the path of a URL.
func urlPath(into *string) field {
	return typed(cty.String, `a path in quotes, as "/chat"`, func(path string) *fault {
		if u, err := url.Parse(path); err != nil || u.Path != path || !strings.HasPrefix(path, "/") {
			return faultf(`write it as in "/chat"`, "%q is no path of a URL", path)
		}
		*into = path
		return nil
	})
}

// checkOrigins keeps the origins of pages.
func checkOrigins(all []string, into *[]string) *fault {
	for _, origin := range all {
		u, err := url.Parse(origin)
		if bare := strings.TrimSuffix(origin, "/"); err == nil && u.Host != "" && u.Scheme+"://"+u.Host == bare && bare != origin {
			return faultf(fmt.Sprintf("write %q", bare), "%q ends with a slash, which no origin of a page does", origin)
		}
		if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return faultf(`write origins as in "https://example.com", or "*" for all`, "%q is no origin of a page", origin)
		}
	}
	*into = all
	return nil
}

// subprotocol keeps a name that may stand in a header.
func subprotocol(into *string) field {
	return typed(cty.String, "a name in quotes", func(name string) *fault {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }) {
			return faultf(`write it as in "chat.example.com"`, "%q is no name of a subprotocol", name)
		}
		*into = name
		return nil
	})
}
