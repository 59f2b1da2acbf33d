package consent

import "azure-partner-connector/connector/failure"

// ReadPasted is readPasted, for its tests.
func ReadPasted(text string) (claimCode, consentID string, cb Callback, f *failure.Error) {
	p, f := readPasted(text)
	return p.claimCode.Reveal(), p.consentID, p.Callback, f
}

// HashClaim is the purpose of the hashes of claim codes.
const HashClaim = hashClaim
