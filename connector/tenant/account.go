package tenant

// The types of account that the connector distinguishes (docs/reference/aps-protocol.md §4.7).
const (
	ProviderAccount = "ADMIN"
	ResellerAccount = "RESELLER" // any level
	CustomerAccount = "CLIENT"   // an end customer
)

// An Account is one account of the platform.
type Account struct {
	ID       string // APS UUID
	Type     string // ProviderAccount, ResellerAccount, CustomerAccount, or another type of the platform
	ParentID string // empty for the provider
	Name     string // company, for people to read
	// User is the name of the user whose account was looked up, for people to read. Empty when the account was looked up in
	// another way, or when the platform does not return the name.
	User string
}
