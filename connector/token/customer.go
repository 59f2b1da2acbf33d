package token

import (
	"context"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/tenant"
)

// domainName matches a domain: at least two labels of letters, digits and hyphens. What borrowers ask for appears in
// failures, so nothing else does.
var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// directoryOf returns the ID of the customer directory that a borrower asks for by ID or verified domain; "" when it is the
// partner's own. It refuses a directory that the instance or the borrower does not allow before it asks Microsoft anything
// but the directory's ID.
func (s *Service) directoryOf(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, request LoanRequest, by tenant.Borrower) (string, error) {
	asked, isID, ok := request.directory()
	switch {
	case !ok:
		return "", failure.New(failure.BadRequest, "reason", "directory is neither the ID nor a domain of a directory")
	case asked == "", asked == snapshot.directory(), asked == strings.ToLower(r.Tenant.Directory):
		return "", mayBorrowHere(by, request.API, snapshot)
	}
	settings := r.Instance.Settings
	if settings.CustomerDirectories != tenant.ListedCustomers && settings.CustomerDirectories != tenant.AnyCustomers {
		return "", failure.New(failure.CustomersNotAllowed)
	}
	id := asked
	if !isID {
		var err error
		if id, err = s.cfg.Microsoft.ResolveDirectory(ctx, settings.Cloud, asked); err != nil {
			return "", customerFailure(err, asked)
		}
		if id == snapshot.directory() {
			return "", mayBorrowHere(by, request.API, snapshot)
		}
	}
	if !by.MayBorrowFor(string(request.API), id) {
		return "", failure.New(failure.BorrowerNotAllowed)
	}
	return id, nil
}

// directory returns the directory of a request in lower case, and whether it is an ID. ok is false when it is neither an ID nor
// a domain nor empty.
func (request LoanRequest) directory() (asked string, isID, ok bool) {
	asked = strings.ToLower(strings.TrimSpace(request.Directory))
	isID = len(asked) == 36 && uuid.Validate(asked) == nil
	return asked, isID, asked == "" || isID || len(asked) <= length.Directory && domainName.MatchString(asked)
}

// mayBorrowHere refuses a borrower that may not borrow access tokens of api for the partner's own directory.
func mayBorrowHere(by tenant.Borrower, api API, snapshot *Snapshot) error {
	if by.MayBorrow(string(api), tenant.PartnerDirectory) || by.MayBorrow(string(api), snapshot.directory()) {
		return nil
	}
	return failure.New(failure.BorrowerNotAllowed)
}

// customerFailure translates the failure of a request about a customer directory. What the customer's directory refuses has
// codes of its own, because it says nothing about the partner's grant (docs/reference/microsoft-identity.md §5.6). Failures of
// our application and of Microsoft's service stay as they are.
func customerFailure(err error, directory string) error {
	f := failure.From(err)
	code := f.Code
	switch f.Code {
	case failure.DirectoryUnknown, failure.WrongCloud:
		code = failure.CustomerUnknown
	case failure.ConsentMissing, failure.PartnerNotAuthorized, failure.ApprovalNeeded, failure.ApprovalRequested, failure.ApplicationUnknown:
		code = failure.CustomerConsentMissing
	case failure.AccessBlocked, failure.DeviceRequired, failure.DeviceDisabled, failure.TokenProtection, failure.ExternalMFA,
		failure.MFARequired, failure.SignInFrequency, failure.AccountAtRisk:
		code = failure.CustomerAccessBlocked
	case failure.AccountOutside:
		code = failure.CustomerRelationshipEnded
	case failure.AccountDisabled:
		if f.Microsoft != nil && f.Microsoft.Code == accountNotFound {
			code = failure.CustomerRelationshipEnded
		}
	case failure.ServiceMissing:
		code = failure.CustomerServiceMissing
	case failure.SignInRequired, failure.AccountMismatch:
		code = failure.CustomerRefused
	}
	if code == f.Code {
		return err
	}
	return &failure.Error{Code: code, Params: map[string]string{"directory": directory}, Microsoft: f.Microsoft, Cause: f.Cause}
}

// accountNotFound is the AADSTS number for an account that a directory does not know: in a customer directory, the partner's
// account has no access (docs/reference/microsoft-identity.md §3.6).
const accountNotFound = "50034"
