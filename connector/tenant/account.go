package tenant

// The types of account that matter here (docs/reference/aps-protocol.md §4.7).
const (
	ProviderAccount = "ADMIN"
	ResellerAccount = "RESELLER" // any level
	CustomerAccount = "CLIENT"   // an end customer
)

// An Account is one account of the platform.
type Account struct {
	ID       string // APS UUID
	Type     string // ProviderAccount, ResellerAccount, CustomerAccount, or another that the platform knows
	ParentID string // empty for the provider
	Name     string // company, for people
	// User is the name of the user by which the account was found, for people to read; empty when it was found otherwise or
	// the platform does not say.
	User string
}
