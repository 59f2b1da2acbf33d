package consent

// ParseRedirected is parseRedirected, for its fuzz tests.
func ParseRedirected(input string) (Callback, bool) { return parseRedirected(input) }

// HashClaim is the purpose of the hashes of claim codes.
const HashClaim = hashClaim
