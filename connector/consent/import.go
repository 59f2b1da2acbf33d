package consent

import (
	"context"
	"errors"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// An Import is a refresh token that another program had.
type Import struct {
	RefreshToken secret.Text
	// Source says where it comes from, for people to read.
	Source string
}

// An Imported is what became of an Import.
type Imported struct {
	ConsentedBy token.Person
	// Waiting says that it takes effect only once the reseller confirms it, because another person consented before.
	Waiting bool
}

// Import makes a refresh token that another program had the grant of a tenant. It is redeemed once, and everything is checked as
// for a consent; what is refused changes nothing. The other program may go on using its own copy.
func (s *Service) Import(ctx context.Context, tenantID string, imported Import, by audit.Actor) (Imported, error) {
	if imported.RefreshToken.Empty() {
		return Imported{}, failure.New(failure.BadRequest, "reason", "the refresh token is empty")
	}
	r, err := s.ready(ctx, tenantID)
	if err != nil {
		return Imported{}, err
	}
	if err := s.take(ctx, r, limit.Codes, by); err != nil {
		return Imported{}, err
	}
	c, err := s.newConsent(r, token.Imported, s.cfg.ConsentLife, by)
	if err != nil {
		return Imported{}, err
	}
	begun := audit.Event{Action: audit.ConsentBegun, Actor: by, Details: map[string]string{"procedure": string(token.Imported), "source": imported.Source}}

	// What Microsoft gives for it must be stored, also when the caller stops waiting.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptTimeout)
	defer cancel()
	g, err := s.cfg.Tokens.Exchange(ctx, token.CodeExchange{
		TenantID: tenantID, RefreshToken: imported.RefreshToken, ConsentID: c.ID, Procedure: token.Imported, AskedBy: by.Name,
	})
	if err == nil {
		err = s.unowned(ctx, r, g.DirectoryID)
	}
	if err != nil {
		f := failure.From(err)
		e := audit.Event{Action: audit.ConsentRefused, Actor: by, Result: string(f.Code), Details: begun.Details}
		return Imported{}, errors.Join(advised(f), s.append(context.WithoutCancel(ctx), r, e))
	}
	if err := s.add(ctx, r, c, begun, func(context.Context) error { return nil }); err != nil {
		return Imported{}, err
	}
	accepted, err := s.succeed(ctx, r, c.ID, g, by)
	return Imported{g.ConsentedBy, accepted.Waiting}, err
}

// advised returns a refusal of an import with advice for who imports: the account of the refresh token signed in elsewhere, and
// nothing is retried.
func advised(f *failure.Error) *failure.Error {
	switch f.Code {
	case failure.AccountOutside:
		return f.Advise("Import a refresh token of an account of the tenant's partner directory that is assigned to the application, or compare the directory in the tenant's settings with that of the refresh token.")
	case failure.WrongDirectory, failure.GuestAccount, failure.PersonalAccount:
		return f.Advise("Import a refresh token of an account of the tenant's partner directory, or compare the directory in the tenant's settings with that of the refresh token.")
	}
	switch f.Kind() {
	case failure.SignIn:
		return f.Advise("Correct that at Microsoft, sign in again in the program that the refresh token comes from, and import its new refresh token. Or have the tenant use Update Refresh Token.")
	case failure.Transient:
		return f.Advise("Import the refresh token again in a few minutes.")
	}
	return f
}
