package consent

// ParseRedirected opens parseRedirected to its fuzz test.
func ParseRedirected(input string) (Callback, bool) { return parseRedirected(input) }
