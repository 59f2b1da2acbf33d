package failure

import "net/http"

// A Code identifies one failure. Codes are part of the protocol: screens, metrics and other applications branch on
// them.
type Code string

// The codes. The table below has the kind, HTTP status, sentence and advice of each.
const (
	// Refusals of a caller's own request.
	BadRequest         Code = "bad_request"
	BodyTooLarge       Code = "body_too_large"
	Unauthorized       Code = "unauthorized"
	Forbidden          Code = "forbidden"
	NotFound           Code = "not_found"
	MethodNotAllowed   Code = "method_not_allowed"
	Conflict           Code = "conflict"
	TooManyRequests    Code = "too_many_requests"
	ScheduledChange    Code = "scheduled_change"
	BorrowerNotAllowed Code = "borrower_not_allowed"
	// Refusals of a client of the token API.
	KeyUnknown        Code = "key_unknown"
	KeyExpired        Code = "key_expired"
	ClientNotAllowed  Code = "client_not_allowed"
	TransportInsecure Code = "transport_insecure"

	// An access token for a customer directory. None of these says anything about the partner's own token.
	CustomersNotAllowed       Code = "customers_not_allowed"
	CustomersUnknown          Code = "customers_unknown"
	CustomerNotListed         Code = "customer_not_listed"
	CustomerUnknown           Code = "customer_unknown"
	CustomerConsentMissing    Code = "customer_consent_missing"
	CustomerAccessBlocked     Code = "customer_access_blocked"
	CustomerRelationshipEnded Code = "customer_relationship_ended"
	CustomerServiceMissing    Code = "customer_service_missing"
	CustomerRefused           Code = "customer_refused"

	// A tenant's settings.
	DirectoryMissing Code = "directory_missing"
	DirectoryUnknown Code = "directory_unknown"
	DirectoryRefused Code = "directory_refused"
	// For the provider only: it names two tenants.
	DirectoryDisputed  Code = "directory_disputed"
	ApplicationMissing Code = "application_missing"
	ApplicationInvalid Code = "application_invalid"
	SecretIsID         Code = "secret_is_id"
	RecipientsInvalid  Code = "recipients_invalid"
	CloudUnknown       Code = "cloud_unknown"

	// A reminder by the provider.
	NothingToRemind     Code = "nothing_to_remind"
	RemindedRecently    Code = "reminded_recently"
	ResellerUnreachable Code = "reseller_unreachable"

	// A certificate in the settings.
	CertificateUnreadable Code = "certificate_unreadable"
	CertificateKey        Code = "certificate_key"
	CertificateMismatch   Code = "certificate_mismatch"
	CertificateExpired    Code = "certificate_expired"

	// A consent.
	LinkUnknown     Code = "link_unknown"
	LinkExpired     Code = "link_expired"
	StateUnknown    Code = "state_unknown"
	StateUsed       Code = "state_used"
	StateExpired    Code = "state_expired"
	StateBrowser    Code = "state_browser"
	ConsentTimedOut Code = "consent_timed_out"
	ConsentDeclined Code = "consent_declined"
	ConsentRefused  Code = "consent_refused"
	ApprovalNeeded  Code = "approval_needed"
	// An administrator must approve what was asked for.
	ApprovalRequested Code = "approval_requested"
	CodeUsed          Code = "code_used"
	CodeInvalid       Code = "code_invalid"
	IDTokenInvalid    Code = "id_token_invalid"
	WrongDirectory    Code = "wrong_directory"
	WrongApplication  Code = "wrong_application"
	GuestAccount      Code = "guest_account"
	PersonalAccount   Code = "personal_account"
	MFAMissing        Code = "mfa_missing"
	MFAUnknown        Code = "mfa_unknown"
	RoleMissing       Code = "role_missing"
	NotAPartner       Code = "not_a_partner"
	NoRefreshToken    Code = "no_refresh_token"
	ClaimMalformed    Code = "claim_malformed"
	// An address from the browser of which a part is missing.
	AddressIncomplete Code = "address_incomplete"
	ClaimWrong        Code = "claim_wrong"
	ClaimReplaced     Code = "claim_replaced"
	ClaimExpired      Code = "claim_expired"
	ClaimLocked       Code = "claim_locked"
	NothingToClaim    Code = "nothing_to_claim"
	ClaimWaiting      Code = "claim_waiting"
	// A refresh token that another program had.
	ImportRefused Code = "import_refused"
	// For the provider only: refresh tokens left for another program.
	TokensExported Code = "tokens_exported"
	// A consent by another person than before.
	ConfirmationWaiting Code = "confirmation_waiting"
	ConfirmationExpired Code = "confirmation_expired"
	ConsentReplaced     Code = "consent_replaced"
	// A consent that the person who gave it took back at once.
	ConsentDisowned Code = "consent_disowned"
	DisownTooLate   Code = "disown_too_late"

	// A grant.
	GrantAbsent        Code = "grant_absent"
	GrantExpired       Code = "grant_expired"
	GrantExpiring      Code = "grant_expiring"
	GrantStale         Code = "grant_stale"
	GrantRevoked       Code = "grant_revoked"
	MFARequired        Code = "mfa_required"
	SignInFrequency    Code = "sign_in_frequency"
	SameAge            Code = "same_age"
	AccountDisabled    Code = "account_disabled"
	AccountOutside     Code = "account_outside"
	AccountAtRisk      Code = "account_at_risk"
	AccessBlocked      Code = "access_blocked"
	DeviceRequired     Code = "device_required"
	DeviceDisabled     Code = "device_disabled"
	TokenProtection    Code = "token_protection"
	ExternalMFA        Code = "external_mfa"
	ConsentMissing     Code = "consent_missing"
	PermissionsMissing Code = "permissions_missing"
	SignInRequired     Code = "sign_in_required"
	AccountMismatch    Code = "account_mismatch"
	RenewalRunning     Code = "renewal_running"
	NoSuccessor        Code = "no_successor"
	// A time that a wrong clock stored.
	IssueTimeImplausible Code = "issue_time_implausible"
	// Settings that changed after the consent.
	DirectoryChanged   Code = "directory_changed"
	ApplicationChanged Code = "application_changed"

	// Secrets in the database that no key opens.
	GrantUnreadable       Code = "grant_unreadable"
	CredentialsUnreadable Code = "credentials_unreadable"
	// A column that decides who has access was changed by somebody without our keys.
	Integrity Code = "integrity"
	// The platform suspended the subscription, for example during a credit hold.
	Suspended Code = "suspended"
	// The platform removed the link between the subscription and its account.
	Unlinked Code = "unlinked"
	// The platform may no longer have the subscription.
	TenantUnknown Code = "tenant_unknown"
	// The subscription cannot move to another account while it has a grant.
	MoveRefused Code = "move_refused"
	// The instance has another root resource, which its platform still has.
	RootExists Code = "root_exists"

	// The application registration at Microsoft.
	ClientSecretWrong      Code = "client_secret_wrong"
	ClientSecretExpired    Code = "client_secret_expired"
	ClientCredential       Code = "client_credential"
	CertificateNew         Code = "certificate_new"
	FederatedRefused       Code = "federated_refused"
	FederatedTokenUnusable Code = "federated_token_unusable"
	ApplicationUnknown     Code = "application_unknown"
	ApplicationRefused     Code = "application_refused"
	ServiceMissing         Code = "service_missing"
	ClockWrong             Code = "clock_wrong"
	PermissionMissing      Code = "permission_missing"
	RedirectType           Code = "redirect_type"
	WrongCloud             Code = "wrong_cloud"
	PartnerNotAuthorized   Code = "partner_not_authorized"

	// The services of Microsoft, of the platform and of ours.
	MicrosoftUnavailable Code = "microsoft_unavailable"
	MicrosoftThrottled   Code = "microsoft_throttled"
	MicrosoftAnswer      Code = "microsoft_answer"
	MicrosoftRequest     Code = "microsoft_request"
	RequestLoop          Code = "request_loop"
	APIRefused           Code = "api_refused"
	PlatformUnavailable  Code = "platform_unavailable"
	PlatformRefused      Code = "platform_refused"
	StillRunning         Code = "still_running"
	DatabaseUnavailable  Code = "database_unavailable"
	InternalError        Code = "internal_error"
)

type message struct {
	kind     Kind
	status   int
	sentence string
	advice   string
}

func (c Code) message() message {
	if m, ok := messages[c]; ok {
		return m
	}
	return messages[InternalError]
}

// Kind returns what can be done about failures with this code; empty for refusals of a request.
func (c Code) Kind() Kind { return c.message().kind }

// Liftable reports whether an administrator can remove the cause of a refused sign-in, so that the same refresh token works
// again: a policy, a device rule, a risk. Nothing makes a revoked or expired token, or one of a disabled account, work again.
func (c Code) Liftable() bool {
	switch c {
	case AccessBlocked, DeviceRequired, TokenProtection, ExternalMFA, MFARequired, SignInFrequency, SameAge, AccountAtRisk:
		return true
	}
	return false
}

// Template returns the sentence and the advice with unfilled __placeholders__; they are the keys of the catalogues.
func (c Code) Template() (sentence, advice string) {
	m := c.message()
	return m.sentence, m.advice
}

// messages is the table of all texts of failures. A sentence says what happened and what was seen; an advice says
// what to do. Neither is built from parts.
var messages = map[Code]message{
	BadRequest:         {"", http.StatusBadRequest, "The request couldn't be read: __reason__.", "Correct the request and send it again."},
	BodyTooLarge:       {"", http.StatusRequestEntityTooLarge, "The request is larger than this service accepts.", "Send a smaller request."},
	Unauthorized:       {"", http.StatusUnauthorized, "The request isn't signed by a known instance.", "Check the key, the secret and the clocks on both sides."},
	Forbidden:          {"", http.StatusForbidden, "This account isn't allowed to do that here.", "Ask the account that owns the tenant."},
	NotFound:           {"", http.StatusNotFound, "There's no such resource here.", "Check the address. The resource may have been removed."},
	MethodNotAllowed:   {"", http.StatusMethodNotAllowed, "This operation isn't supported.", "Use one of the documented operations."},
	Conflict:           {"", http.StatusConflict, "Someone else changed the same thing at the same moment.", "Reload and try again."},
	TooManyRequests:    {"", http.StatusTooManyRequests, "There were too many requests in a short time.", "Wait a minute, then try again."},
	ScheduledChange:    {"", http.StatusBadRequest, "Changes scheduled for a later date aren't supported.", "Make the change without a scheduled date."},
	BorrowerNotAllowed: {"", http.StatusForbidden, "This application isn't allowed to borrow this access token.", "Check that the allowed applications of this instance include the instance ID of the calling application with this service and this directory. For an API client, ask the operator for one that has both in its scopes."},
	KeyUnknown:         {"", http.StatusUnauthorized, "The key of this client is not known here.", "Use a key of the token API that the operator has issued."},
	KeyExpired:         {"", http.StatusUnauthorized, "The key of this client has expired.", "Ask the operator for a new key."},
	ClientNotAllowed:   {"", http.StatusForbidden, "This client isn't allowed to do that here.", "Ask the operator for an API client that has the required scopes. The scopes of an existing client can't be changed."},
	TransportInsecure:  {"", http.StatusForbidden, "The request came over an unencrypted connection.", "Use an HTTPS address."},

	CustomersNotAllowed:       {"", http.StatusForbidden, "This instance doesn't issue access tokens for customer directories.", "Set customerDirectories of this instance to listed or any."},
	CustomersUnknown:          {Transient, http.StatusServiceUnavailable, "We couldn't read the partner's customers from Microsoft, so we don't know whether the directory __directory__ belongs to one of them.", "Try again in a few minutes. If this continues, check that the account that consented may read customers in Partner Center, and that the application has the Microsoft Graph permission DelegatedAdminRelationship.Read.All."},
	CustomerNotListed:         {"", http.StatusForbidden, "The directory __directory__ belongs to none of the partner's customers: Partner Center doesn't list it, and there is no active relationship (GDAP) with it.", "Check the directory. If it belongs to a new customer, try again in a few minutes."},
	CustomerUnknown:           {Configuration, http.StatusUnprocessableEntity, "Microsoft doesn't know the directory __directory__.", "Check the ID or domain of the customer's directory, and the cloud of the instance."},
	CustomerConsentMissing:    {Configuration, http.StatusConflict, "The application has no consent for this service in the customer's directory __directory__.", "Grant the consent under Customers, or have an administrator of the customer grant it. The app registration must be multitenant."},
	CustomerAccessBlocked:     {Configuration, http.StatusConflict, "A Conditional Access policy in the customer's directory __directory__ blocks access.", "Have an administrator of the customer exclude the partner's service provider users from the policy, under guest or external users."},
	CustomerRelationshipEnded: {Configuration, http.StatusConflict, "The partner's account has no access to the customer's directory __directory__: the relationship (GDAP) has ended, or the account isn't in a group that has roles there.", "Renew the relationship with the customer in Partner Center, and check that the account is in a security group with roles."},
	CustomerServiceMissing:    {Configuration, http.StatusConflict, "The service is missing or disabled in the customer's directory __directory__.", "Have an administrator of the customer add or enable the service under Enterprise applications."},
	CustomerRefused:           {Configuration, http.StatusConflict, "Microsoft refuses access to the customer's directory __directory__.", "Give Microsoft's code to an administrator of the customer. The partner's own token is not affected."},

	DirectoryMissing:   {Configuration, http.StatusConflict, "No Microsoft directory is set for this tenant.", "Enter the directory (tenant) ID or its onmicrosoft.com domain in the settings."},
	DirectoryUnknown:   {Configuration, http.StatusUnprocessableEntity, "Microsoft doesn't know a directory named __directory__.", "Check the directory (tenant) ID or domain, and the cloud, in the settings."},
	DirectoryRefused:   {Configuration, http.StatusConflict, "The directory __directory__ can't be used for this account.", "Enter your own partner directory. If this is already the right one, ask your provider."},
	DirectoryDisputed:  {"", http.StatusConflict, "A consent for the directory __directory__ was refused: it came for the tenant __tenant__, but the directory belongs to the tenant __owner__.", "Find out which reseller the directory belongs to. If it's the one whose consent was refused, change the directory of the other tenant or remove that tenant, then repeat the consent."},
	ApplicationMissing: {Configuration, http.StatusConflict, "No Microsoft application is set up for this tenant.", "Enter the application (client) ID and its secret in the settings of the instance."},
	ApplicationInvalid: {Configuration, http.StatusUnprocessableEntity, "The application (client) ID __application__ isn't a GUID.", "Copy the application (client) ID from the overview page of the app registration."},
	SecretIsID:         {Configuration, http.StatusUnprocessableEntity, "That's the secret's ID, not its value.", "Copy the Value column of the client secret. It's shown only once, right after the secret is created."},
	RecipientsInvalid:  {"", http.StatusUnprocessableEntity, "A recipient of notices isn't an email address, or there are more than __most__.", "Enter email addresses, for example office@example.com."},
	CloudUnknown:       {Configuration, http.StatusUnprocessableEntity, "There is no cloud named __cloud__.", "Use one of the clouds that this service is configured for."},

	NothingToRemind:     {"", http.StatusConflict, "There is nothing to remind this reseller of.", "There's nothing to do."},
	RemindedRecently:    {"", http.StatusTooManyRequests, "This reseller was already reminded on __time__.", "Wait a day, or contact the reseller yourself."},
	ResellerUnreachable: {"", http.StatusConflict, "No notice reaches this reseller: it has entered no recipients, and notices in the panel are off or its account isn't known.", "Contact the reseller yourself."},

	CertificateUnreadable: {Configuration, http.StatusUnprocessableEntity, "This isn't a certificate with its private key in PEM format.", "Paste both blocks, certificate and private key, each from BEGIN to END."},
	CertificateKey:        {Configuration, http.StatusUnprocessableEntity, "The private key of the certificate is missing, protected by a password, or not an RSA key of at least 2048 bits.", "Paste the certificate together with its unencrypted RSA private key."},
	CertificateMismatch:   {Configuration, http.StatusUnprocessableEntity, "The private key doesn't belong to the certificate.", "Paste the certificate together with its own private key."},
	CertificateExpired:    {Configuration, http.StatusUnprocessableEntity, "The certificate expired on __end__.", "Create a new certificate, upload it to the app registration, and enter it here with its private key."},

	LinkUnknown:       {"", http.StatusNotFound, "This link isn't known here.", "Ask for a new link and open it exactly as it was sent."},
	LinkExpired:       {"", http.StatusGone, "This link has expired.", "Ask the person who sent it for a new one."},
	StateUnknown:      {"", http.StatusBadRequest, "This sign-in wasn't started here.", "Start again from the link or from the panel."},
	StateUsed:         {"", http.StatusConflict, "This sign-in has already been completed.", "If the panel doesn't show success, start again."},
	StateExpired:      {"", http.StatusGone, "This sign-in took too long.", "Start again and finish it within the time shown."},
	StateBrowser:      {"", http.StatusForbidden, "This sign-in was started in another browser.", "Start again and finish it in the same browser window."},
	ConsentTimedOut:   {SignIn, http.StatusGone, "The sign-in wasn't completed in time.", "Start again. If Microsoft's page showed an error, note it, and check the application ID and its redirect URI."},
	ConsentDeclined:   {SignIn, http.StatusConflict, "The consent was declined in the Microsoft window. Nothing was changed.", "Start again and press Accept."},
	ConsentRefused:    {SignIn, http.StatusForbidden, "Microsoft refused the consent. Nothing was changed.", "Start again. If it happens again, give Microsoft's code to an administrator of the directory."},
	ApprovalRequested: {SignIn, http.StatusForbidden, "The account isn't allowed to grant this consent. Microsoft sent an approval request to an administrator of the directory. Nothing was changed.", "Wait until an administrator has approved the request, then start again, or sign in as a Global admin."},
	ApprovalNeeded:    {SignIn, http.StatusForbidden, "The account isn't allowed to grant this consent. Nothing was changed.", "Sign in as a user with the roles Global admin and Admin agent."},
	CodeUsed:          {SignIn, http.StatusConflict, "The authorization code has already been used. Nothing was changed.", "Start again. Each code works only once."},
	CodeInvalid:       {SignIn, http.StatusConflict, "Microsoft didn't accept the authorization code. Nothing was changed.", "Start again and finish within 10 minutes."},
	IDTokenInvalid:    {Internal, http.StatusBadGateway, "We couldn't verify Microsoft's answer. Nothing was changed.", "Start again. If it happens again, give the reference to the operator."},
	WrongDirectory:    {SignIn, http.StatusForbidden, "The consent came from the directory __seen__, but this reseller is set up for __expected__. Nothing was changed.", "Sign in with an account of the partner directory."},
	WrongApplication:  {Configuration, http.StatusForbidden, "The token was issued to the application __seen__ instead of __expected__. Nothing was changed.", "Check the application (client) ID in the settings."},
	GuestAccount:      {SignIn, http.StatusForbidden, "The account __username__ is a guest in this directory. Nothing was changed.", "Sign in with an account that was created in the partner directory."},
	PersonalAccount:   {SignIn, http.StatusForbidden, "The account __username__ is a personal Microsoft account. Nothing was changed.", "Sign in with a work account of the partner directory."},
	MFAMissing:        {SignIn, http.StatusForbidden, "The sign-in didn't use multifactor authentication. Nothing was changed.", "Turn on multifactor authentication for the account, then start again."},
	MFAUnknown:        {SignIn, http.StatusForbidden, "We couldn't determine whether the sign-in used multifactor authentication. Nothing was changed.", "Start again in a few minutes. If it happens again, give the reference to the operator."},
	RoleMissing:       {SignIn, http.StatusForbidden, "The account __username__ doesn't have the role __role__. Nothing was changed.", "Sign in as a user with the roles Global admin and Admin agent."},
	NotAPartner:       {SignIn, http.StatusForbidden, "Partner Center refused the account __username__. Nothing was changed.", "Sign in as an Admin agent of a direct-bill partner or indirect provider; indirect resellers have no access to the Partner Center API."},
	NoRefreshToken:    {Configuration, http.StatusBadGateway, "Microsoft granted access but issued no refresh token. Nothing was changed.", "Check that the application may use offline_access and that its redirect URI is of type Web."},
	ClaimMalformed:    {"", http.StatusUnprocessableEntity, "That doesn't look like an authentication code (characters: __characters__, words: __words__). No attempt was used up.", "Enter the 12 letters and digits that the onboarding page shows, or the whole address that the browser shows after the sign-in."},
	AddressIncomplete: {"", http.StatusUnprocessableEntity, "That's only part of an address: the code or the state in it is missing or cut off. No attempt was used up.", "Copy the whole address that the browser shows after the sign-in, from https to the end, and enter it again."},
	ClaimReplaced:     {"", http.StatusConflict, "This code was replaced by a newer one: someone signed in again with the same link. No attempt was used up.", "Ask for the code that was shown last, or open the link again for a new one."},
	ClaimWrong:        {"", http.StatusUnprocessableEntity, "That code isn't correct. Attempts left: __left__.", "Compare it with the code on the onboarding page and enter it again."},
	ClaimExpired:      {"", http.StatusGone, "This authentication code has expired.", "Ask the administrator to open the link again. A new code is shown at the end."},
	ClaimLocked:       {"", http.StatusLocked, "An incorrect authentication code was entered too often. The waiting consent has been discarded.", "Ask the administrator to open the link again. A new code is shown at the end."},
	NothingToClaim:    {"", http.StatusConflict, "No consent is waiting for an authentication code.", "Send the link first. The code is shown to the person who opens it and accepts."},
	ClaimWaiting:      {"", http.StatusConflict, "The consent of __username__ is waiting for the authentication code.", "Enter the code that the administrator sent you."},

	ImportRefused:       {"", http.StatusConflict, "Microsoft doesn't accept this refresh token for the application __application__: it was issued to another application, or it has expired or was revoked.", "Import a refresh token that was issued to this application. If it comes from another application, enter that application and its secret in the settings first."},
	TokensExported:      {"", http.StatusConflict, "Refresh tokens were exported: __count__, by __operator__ on the command line, encrypted for __recipients__.", "Whoever has the private key of one of these recipients can use the tokens with the application's credential. If this export wasn't intended, remove the recipients from the configuration, replace the credential, and have the resellers revoke their sign-in sessions and grant consent again."},
	ConfirmationWaiting: {"", http.StatusConflict, "__username__ signed in this time, __before__ last time. The consent takes effect once you confirm it.", "Confirm the consent under Manage Refresh Token. If the screen has no button for this, upgrade the package on the platform: it's older than the connector."},
	ConfirmationExpired: {"", http.StatusGone, "The consent wasn't confirmed in time. Nothing was changed.", "Start again and confirm the consent before the time shown."},
	ConsentReplaced:     {"", http.StatusConflict, "This consent is no longer waiting for confirmation: a later one replaced it, or the token was deleted.", "Check under Manage Refresh Token whose consent is in use."},

	ConsentDisowned: {SignIn, http.StatusConflict, "The consent was taken back on the onboarding page right after it was granted: the person there didn't mean to grant it. The refresh token was destroyed.", "Find out who was asked for the consent before you use Update Refresh Token or send another link."},
	DisownTooLate:   {"", http.StatusGone, "The consent is older than 15 minutes, so it can't be taken back here anymore.", "Remove the application's consent at Microsoft, and ask the provider of the marketplace to delete the token."},

	GrantAbsent:        {SignIn, http.StatusConflict, "There is no refresh token for this tenant yet.", "Use Update Refresh Token, or send the link from Manual Update."},
	GrantExpired:       {SignIn, http.StatusConflict, "The refresh token has expired because it wasn't renewed for 90 days.", "Use Update Refresh Token, or send the link from Manual Update."},
	GrantExpiring:      {Transient, http.StatusConflict, "The refresh token hasn't been renewed for a long time and expires soon. Days left: __days__.", "Use Renew Now. If that fails, use Update Refresh Token."},
	GrantStale:         {Transient, http.StatusConflict, "A newer refresh token has been stored in the meantime.", "There's nothing to do."},
	GrantRevoked:       {SignIn, http.StatusConflict, "Microsoft no longer accepts the refresh token: it was revoked, or the password was changed.", "Use Update Refresh Token, or send the link from Manual Update."},
	MFARequired:        {SignIn, http.StatusConflict, "Microsoft now requires multifactor authentication.", "Use Update Refresh Token and complete the multifactor sign-in. Once the policy no longer applies, use Renew Now."},
	SignInFrequency:    {SignIn, http.StatusConflict, "A sign-in frequency policy in the directory ended the session. Renewal can't prevent that.", "Exclude the account from the sign-in frequency policy, then use Renew Now. If that fails, use Update Refresh Token."},
	SameAge:            {SignIn, http.StatusConflict, "The sign-in expired again after about the same time (days: __days__, times so far: __times__). A sign-in frequency or remember-MFA policy in the directory causes this; automatic renewal can't work around it.", "Exclude the account from that policy, then use Renew Now. If that fails, use Update Refresh Token. Without that exclusion, the sign-in expires again after the same time."},
	AccountDisabled:    {SignIn, http.StatusConflict, "The Microsoft account is disabled, locked or deleted, or its password has expired.", "Fix the account or choose another one, then use Update Refresh Token."},
	AccountOutside:     {SignIn, http.StatusConflict, "The Microsoft account doesn't belong to the directory or isn't assigned to the application.", "Assign the account to the application in the partner directory or choose another account, then use Update Refresh Token."},
	AccessBlocked:      {SignIn, http.StatusConflict, "A Conditional Access policy in the directory blocks the sign-in.", "Have an administrator of the directory exclude the account or this application from the policy, then use Renew Now."},
	AccountAtRisk:      {SignIn, http.StatusConflict, "Microsoft is blocking the account because it detected a risk or repeated failed sign-ins.", "Have an administrator of the directory check the account and dismiss the risk, then use Renew Now."},
	DeviceRequired:     {SignIn, http.StatusConflict, "A directory policy allows only managed or compliant devices and approved applications.", "Have an administrator of the directory exclude the account or this application from the policy, then use Renew Now."},
	DeviceDisabled:     {SignIn, http.StatusConflict, "The device that was used for the consent was disabled or deleted in the directory.", "Use Update Refresh Token and sign in from another device."},
	TokenProtection:    {SignIn, http.StatusConflict, "A directory policy requires tokens that are bound to a device (token protection). A server application can't have such tokens.", "Have an administrator of the directory exclude the account or this application from the policy, then use Renew Now."},
	ExternalMFA:        {SignIn, http.StatusConflict, "The directory requires multifactor authentication by an external provider, which doesn't count as Microsoft's own.", "Have an administrator of the directory set up Microsoft's own multifactor authentication for the account, then use Update Refresh Token. Once the policy no longer applies, use Renew Now."},
	PermissionsMissing: {SignIn, http.StatusConflict, "The consent lacks permissions: __permissions__.", "Check that the app registration includes these permissions, then use Update Refresh Token with an account that may consent to them."},
	ConsentMissing:     {SignIn, http.StatusConflict, "The consent for this application is missing or was withdrawn.", "Use Update Refresh Token and press Accept."},
	SignInRequired:     {SignIn, http.StatusConflict, "Microsoft asks for a new sign-in.", "Use Update Refresh Token, or send the link from Manual Update."},
	AccountMismatch:    {SignIn, http.StatusConflict, "Microsoft answered for a different account or directory than the one that consented.", "Use Update Refresh Token, or send the link from Manual Update, and give the reference to the operator."},
	DirectoryChanged:   {SignIn, http.StatusConflict, "The refresh token belongs to the directory __seen__, but the settings now name __expected__.", "Use Update Refresh Token with an account of the new directory, or restore the old directory in the settings."},
	ApplicationChanged: {SignIn, http.StatusConflict, "The refresh token was issued to the application __seen__, but the settings now name __expected__.", "Use Update Refresh Token, or restore the old application in the settings."},
	Integrity:          {Configuration, http.StatusConflict, "Stored data that controls access was changed outside the connector.", "Nothing is issued until the operator has checked the change. Give the reference to the operator."},
	Suspended:          {Configuration, http.StatusConflict, "The marketplace has suspended the subscription. The refresh token is kept, but nothing is issued.", "Ask the provider of the marketplace to resume the subscription."},
	Unlinked:           {Configuration, http.StatusConflict, "The marketplace has no account for this subscription. The refresh token is kept, but nothing is issued.", "Ask the provider of the marketplace to link the subscription to its account again."},
	TenantUnknown:      {Configuration, http.StatusConflict, "The marketplace doesn't know this subscription. The refresh token is kept, but nothing is issued.", "Ask the operator to check the subscription: connector instances lists subscriptions that the marketplace lost, and can remove them."},
	MoveRefused:        {"", http.StatusConflict, "The subscription can't move to another account while it has a refresh token.", "Delete the token first, or ask the operator to allow moves. A move destroys the token."},
	RootExists:         {"", http.StatusConflict, "This key belongs to another instance, which the platform still has.", "Use another key, or remove the other instance first."},
	RenewalRunning:     {Transient, http.StatusConflict, "A renewal is already running.", "Wait a moment, then check the status."},

	GrantUnreadable:       {Configuration, http.StatusConflict, "The stored refresh token can't be read: it was damaged or changed in the database.", "Use Update Refresh Token, or send the link from Manual Update. Ask the operator to check the database."},
	CredentialsUnreadable: {Configuration, http.StatusConflict, "The stored credentials of the Microsoft application can't be read: they were damaged or changed in the database.", "Enter the application's credentials in the settings again. Ask the operator to check the database."},
	NoSuccessor:           {Transient, http.StatusBadGateway, "Microsoft accepted the refresh token but didn't issue a new one. The stored one expires on __end__.", "We'll retry every day. If this continues, use Update Refresh Token."},
	IssueTimeImplausible:  {Transient, http.StatusConflict, "The stored issue time of the refresh token is in the future because a clock was wrong.", "We'll renew the token now, which corrects the time. Check the clocks of the servers."},

	ClientSecretWrong:      {Configuration, http.StatusBadGateway, "Microsoft doesn't accept the client secret.", "Enter the value of a valid client secret of the app registration. A new one may take a few minutes to work."},
	ClientSecretExpired:    {Configuration, http.StatusBadGateway, "The client secret has expired.", "Create a new client secret in the app registration and enter its value. The refresh token stays valid."},
	ClientCredential:       {Configuration, http.StatusBadGateway, "Microsoft doesn't accept the application's credential.", "Check the certificate or client secret of the app registration."},
	CertificateNew:         {Transient, http.StatusBadGateway, "Microsoft doesn't recognize the certificate yet. It was entered only minutes ago.", "Check that the certificate has been uploaded to the app registration, and wait a few minutes. We'll retry the renewal automatically."},
	FederatedRefused:       {Configuration, http.StatusBadGateway, "Microsoft doesn't accept the federated token of the deployment.", "Compare the issuer, subject and audience of the app registration's federated credential with those of the token, character by character. The command connector doctor shows them."},
	FederatedTokenUnusable: {Configuration, http.StatusBadGateway, "The federated token of the deployment is missing, is not a token, or has expired.", "Ask the operator to check the token file: it must exist, and its provider must replace it before it expires. The refresh token stays valid."},
	ApplicationUnknown:     {Configuration, http.StatusBadGateway, "The application is unknown or disabled in the directory.", "Check the application (client) ID, and that the application is enabled in the partner directory."},
	PermissionMissing:      {Configuration, http.StatusBadGateway, "The app registration lacks a permission.", "Add the delegated permissions for Partner Center, Microsoft Graph and Azure Service Management, then grant consent again."},
	ApplicationRefused:     {Configuration, http.StatusBadGateway, "Microsoft rejected the application because of how it's registered.", "Check the app registration: its account types, its credentials, and whether it's enabled. Microsoft's code tells you more."},
	ServiceMissing:         {Configuration, http.StatusBadGateway, "A service that the application needs is missing or disabled in the directory.", "Have an administrator of the directory add or enable the service under Enterprise applications, then grant consent again."},
	ClockWrong:             {Configuration, http.StatusBadGateway, "Microsoft rejected the application's credential because the clock of the connector's server is wrong. Measured difference: __skew__.", "Ask the operator to correct the server's clock. The refresh token stays valid."},
	RedirectType:           {Configuration, http.StatusBadGateway, "The redirect URI is registered for a single-page application, whose tokens last only one day.", "Register the redirect URI as type Web, then grant consent again."},
	WrongCloud:             {Configuration, http.StatusBadGateway, "This cloud doesn't know the directory.", "Check the directory and the cloud in the settings."},
	PartnerNotAuthorized:   {Configuration, http.StatusBadGateway, "The application isn't authorized in the customer's directory.", "Register the application for this customer through Partner Center."},

	MicrosoftUnavailable: {Transient, http.StatusBadGateway, "Microsoft couldn't be reached or is temporarily unavailable.", "There's nothing to do. We'll retry automatically."},
	MicrosoftThrottled:   {Transient, http.StatusBadGateway, "Microsoft is limiting our requests.", "There's nothing to do. We'll retry automatically."},
	MicrosoftAnswer:      {Transient, http.StatusBadGateway, "We couldn't understand Microsoft's answer.", "We'll retry automatically. If this continues, give the reference to the operator."},
	MicrosoftRequest:     {Internal, http.StatusBadGateway, "Microsoft rejected our request as malformed.", "Give the reference to the operator."},
	RequestLoop:          {Internal, http.StatusBadGateway, "Microsoft blocked repeated identical requests.", "Wait an hour. If it happens again, give the reference to the operator."},
	APIRefused:           {Configuration, http.StatusBadGateway, "The service __api__ rejected the access token.", "Check the permissions of the application and the roles of the account that consented."},
	PlatformUnavailable:  {Transient, http.StatusBadGateway, "The platform couldn't be reached.", "We'll retry automatically."},
	StillRunning:         {Transient, http.StatusServiceUnavailable, "This takes longer than the platform waits for an answer. It continues in the background.", "Check the status again in a minute."},
	DatabaseUnavailable:  {Transient, http.StatusServiceUnavailable, "The connector's database is temporarily unavailable.", "Try again in a minute. If that doesn't help, give the reference to the operator."},
	PlatformRefused:      {Internal, http.StatusBadGateway, "The platform refused a request: __reason__.", "Give the reference to the operator."},
	InternalError:        {Internal, http.StatusInternalServerError, "Something went wrong on our side.", "Try again. If it happens again, give the reference to the operator."},
}

// Codes returns every code, in no particular order; for tests of the catalogues.
func Codes() []Code {
	codes := make([]Code, 0, len(messages))
	for c := range messages {
		codes = append(codes, c)
	}
	return codes
}
