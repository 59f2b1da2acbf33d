package panel_test

import (
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// A state is one state of a screen.
type state struct {
	name    string // of its pictures
	about   string // for the table of pictures
	view    string // empty: the home page
	user    string // empty: the reseller
	ux1     bool   // only UX1 has it
	classic bool   // the tests check it at every width in the classic panel, too, as one of its kind
	set     func(p *platform)
	reach   func(s *tab) // brings the tab into the state, and waits for what it must show
	from    string       // title of the group at the top of its pictures
	toEnd   bool         // that group is at the bottom instead
	whole   bool         // its pictures in UX1 show the whole page
	phone   bool         // axe-core examines it as on a phone, too
}

// A chapter contains the states of one part of the screens.
type chapter struct {
	title  string
	states []state
}

// chapters returns all states of all screens.
func chapters() []chapter {
	return []chapter{
		{"Token status", statusStates()},
		{"Automatic update", automaticStates()},
		{"Manual update", manualStates()},
		{"Buttons and history", buttonStates()},
		{"Settings", settingsStates()},
		{"Customers", customerStates()},
		{"Home tile", tileStates()},
		{"Provider", providerStates()},
	}
}

// shows waits for a status and for texts.
func shows(state string, texts ...string) func(s *tab) {
	return func(s *tab) {
		s.State(state)
		for _, text := range texts {
			s.waitText(text)
		}
	}
}

// explains waits for a status and for the failure that explains it.
func explains(state string, f object) func(s *tab) {
	return func(s *tab) {
		s.State(state)
		s.waitFailure(f)
	}
}

func at(d time.Duration) string { return noon.Add(d).Format(time.RFC3339) }

const day = 24 * time.Hour

func statusStates() []state {
	unavailable, frequency := fail(failure.MicrosoftUnavailable), fail(failure.SignInFrequency)
	secret, expired, expiring := fail(failure.ClientSecretExpired), local(failure.GrantExpired), local(failure.GrantExpiring, "days", "9")
	states := []state{
		{name: "absent", about: "No Token", set: status(absentStatus()), reach: shows("absent", "There is no refresh token for this tenant yet.")},
		{name: "pending", about: "Waiting for the Authentication Code", whole: true, set: status(pendingStatus()), reach: shows("pending", "Enter Code")},
		{name: "active", classic: true, about: "Active", whole: true, reach: shows("active", "Details")},
		{
			name: "expiring", about: "Expiring Soon", reach: shows("expiring", "Use Renew Now. If that fails, use Update Refresh Token."),
			set: status(trouble("expiring", expiring, "expiresAt", at(9*day+time.Hour), "daysLeft", 9)),
		},
		{
			name: "renewal-failing", about: "Renewal Failing", reach: explains("renewal_failing", unavailable),
			set: status(trouble("renewal_failing", unavailable, "lastRenewal", object{"at": at(-time.Hour), "ok": false, "failure": unavailable})),
		},
		{
			name: "action-required", about: "Sign-In Needed", reach: explains("action_required", frequency),
			set: status(trouble("action_required", frequency, "nextRenewalAt", nil)),
		},
		{
			name: "misconfigured", about: "Configuration Error", reach: explains("misconfigured", secret),
			set: status(trouble("misconfigured", secret, "secretEndsAt", at(-day))),
		},
		{
			name: "permissions", about: "Permissions Missing", phone: true, whole: true, set: status(partialStatus()),
			reach: func(s *tab) {
				s.State("active")
				s.press("Details")
				s.waitText("Additional Services")
			},
		},
		{
			name: "suspended", about: "Suspended", phone: true, reach: suspendedShown,
			set: status(trouble("suspended", fail(failure.Suspended))),
		},
		{
			name: "expired", about: "Expired", reach: shows("expired", "The refresh token has expired because it wasn't renewed for 90 days."),
			set: status(trouble("expired", expired, "expiresAt", at(-day), "daysLeft", 0, "nextRenewalAt", nil)),
		},
		{
			name: "unreachable", about: "The connector can't be reached", set: func(p *platform) { p.unreachable = true },
			reach: func(s *tab) {
				s.State("unknown")
				s.waitText("The connector can't be reached at the moment. Try again in a few minutes.")
				s.waitText("Reference: __reference__.", "reference", transaction)
			},
		},
		{
			name: "state-only", about: "A tenant of a reseller below this account", user: parentID, set: func(p *platform) { p.parents = p.parents[:1] },
			reach: shows("active", "This tenant belongs to a reseller below this account. You can see its status only."),
		},
		{
			name: "no-tenant", about: "An account without a subscription",
			set: func(p *platform) { p.tenants, p.required = nil, false },
			reach: func(s *tab) {
				s.waitText("This account has no Azure Partner subscription, so there is no refresh token to manage. Subscribe to Azure Partner first, or ask your provider to do so.")
			},
		},
	}
	return inView("token", states)
}

// suspendedShown waits for the reason of a suspension, and for the actions that the connector would refuse to be gone.
func suspendedShown(s *tab) {
	s.State("suspended")
	s.waitFailure(fail(failure.Suspended))
	s.press("More")
	for _, name := range []string{"procedures", "main", "check", "renew", "unconfirmed"} {
		s.Wait(widget(name) + `.offsetParent === null`)
	}
	for _, name := range []string{"forget", "settings"} {
		s.Wait(widget(name) + `.offsetParent !== null`)
	}
}

// inView returns states with their view set.
func inView(view string, states []state) []state {
	for i := range states {
		states[i].view = view
	}
	return states
}

// refusedSignIn returns the state of an automatic update that fails.
func refusedSignIn(name, about string, code failure.Code, pairs ...string) state {
	f := fail(code, pairs...)
	return state{name: name, about: about, classic: code == failure.ConsentDeclined, phone: code == failure.ConsentDeclined, set: status(absentStatus()), reach: func(s *tab) {
		s.openSignIn()
		s.p.change(outcome("failed", f))
		s.waitFailure(f)
		s.Wait(`!` + widget("update") + `.disabled`)
	}}
}

func automaticStates() []state {
	return inView("token", []state{
		{name: "waiting", classic: true, phone: true, about: "Progress, while the sign-in goes on in the other window", set: status(absentStatus()), from: "Automatic Update", reach: func(s *tab) { s.openSignIn() }},
		{name: "blocked", classic: true, about: "The browser blocked the window", set: status(absentStatus()), whole: true, reach: reachBlocked},
		{name: "closed", about: "Microsoft's page was not opened", set: func(p *platform) {
			p.status = absentStatus()
			p.consent["progress"] = "not_opened"
		}, from: "Automatic Update", reach: func(s *tab) {
			s.shortenTimers()
			s.press("Update Refresh Token")
			s.Popup(s.p.microsoft)
			s.waitText("Waiting for the consent. If the window was closed, open the sign-in page again.")
			s.waitText("Open the Microsoft sign-in page")
		}},
		{name: "checking", about: "Microsoft has answered", set: func(p *platform) {
			p.status = absentStatus()
			p.consent["progress"] = "answered"
		}, from: "Automatic Update", reach: func(s *tab) {
			s.shortenTimers()
			s.press("Update Refresh Token")
			s.Popup(s.p.microsoft)
			s.waitText("Microsoft has answered. The consent is being checked.")
		}},
		{name: "not-linked", about: "The panel does not know its browser", set: func(p *platform) {
			p.status = absentStatus()
			p.procedure = "manual"
		}, from: "Automatic Update", reach: func(s *tab) {
			s.shortenTimers()
			s.press("Update Refresh Token")
			s.Popup(s.p.microsoft)
			s.waitText("Waiting for the consent. The window couldn't be linked to this panel, so it shows an authentication code after the sign-in. Enter the code under Manual Update.")
		}},
		{name: "claim-waiting", about: "An automatic update ended with an authentication code", set: status(absentStatus()), reach: func(s *tab) {
			s.openSignIn()
			s.p.change(func(p *platform) {
				outcome("claimable", fail(failure.ClaimWaiting, "username", "ada"))(p)
				p.status = pendingStatus()
			})
			s.waitText("The consent was granted. It takes effect once you enter the authentication code, which the window shows, under Manual Update.")
			s.State("pending")
		}},
		{name: "second-press", classic: true, phone: true, about: "A sign-in is still open", set: status(absentStatus()), reach: func(s *tab) {
			s.openSignIn()
			s.press("Update Refresh Token")
			s.waitText("Start Again")
			s.waitText("Continue")
		}},
		{name: "disowned", about: "A consent was taken back", set: status(withStatus(object{
			"state": "absent", "failure": local(failure.ConsentDisowned), "issuedAt": nil, "expiresAt": nil, "daysLeft": 0, "lastRenewal": nil,
			"nextRenewalAt": nil, "consentedBy": nil, "consentedAt": nil, "askedBy": "", "mfa": "unknown", "globalAdmin": "unknown",
			"adminAgent": "unknown", "apis": []object{},
		})), reach: func(s *tab) {
			s.State("absent")
			s.waitText("The consent was taken back on the onboarding page right after it was granted: the person there didn't mean to grant it. The refresh token was destroyed.")
		}},
		{name: "interrupted", about: "The connector can't be reached while it goes on", set: status(absentStatus()), from: "Automatic Update", reach: func(s *tab) {
			s.openSignIn()
			s.p.change(func(p *platform) { p.unreachable = true })
			s.waitText("Waiting for the consent. The connector can't be reached at the moment; we'll keep trying.")
			s.waitText("Reference: __reference__.", "reference", begunReference)
		}},
		{name: "updated", about: "Success", set: status(absentStatus()), reach: func(s *tab) {
			s.openSignIn()
			s.p.change(outcome("succeeded", nil))
			s.waitText(updated)
			s.State("active")
		}},
		{name: "unconfirmed", classic: true, phone: true, about: "A consent of another account than before waits for confirmation", whole: true, set: status(unconfirmedStatus()), reach: func(s *tab) {
			s.State("active")
			s.waitText("Consent to Confirm")
			s.waitText("Confirm Consent")
		}},
		{name: "another-account", classic: true, about: "The sign-in was made with another account than before", set: status(wellStatus()), reach: func(s *tab) {
			s.openSignIn()
			s.p.change(func(p *platform) {
				outcome("confirmable", fail(failure.ConfirmationWaiting, "username", "bob", "before", "ada"))(p)
				p.status = unconfirmedStatus()
			})
			s.waitText("A different account granted the consent this time. It takes effect once you confirm it.")
			s.waitText("Consent to Confirm")
		}},
		{name: "confirmed", about: "The consent is confirmed", set: status(unconfirmedStatus()), reach: func(s *tab) {
			s.waitText("Consent to Confirm")
			s.press("Confirm Consent")
			s.waitText(updated)
			s.State("active")
		}},
		{name: "confirmation-refused", about: "The consent can no longer be confirmed", set: func(p *platform) {
			p.status = unconfirmedStatus()
			p.refuse["redeem"] = fail(failure.ConsentReplaced)
		}, reach: func(s *tab) {
			s.waitText("Consent to Confirm")
			s.press("Confirm Consent")
			s.waitFailure(fail(failure.ConsentReplaced))
		}},
		refusedSignIn("declined", "Declined", failure.ConsentDeclined),
		refusedSignIn("timed-out", "The attempt timed out", failure.ConsentTimedOut),
		refusedSignIn("wrong-directory", "Wrong directory", failure.WrongDirectory, "seen", "fabrikam.onmicrosoft.com", "expected", "contoso-partner.onmicrosoft.com"),
		refusedSignIn("role-missing", "A role is missing", failure.RoleMissing, "username", "ada@contoso-partner.onmicrosoft.com", "role", "Admin agent"),
		refusedSignIn("mfa-missing", "No multifactor authentication", failure.MFAMissing),
		refusedSignIn("code-used", "The authorization code was used before", failure.CodeUsed),
		refusedSignIn("code-expired", "The authorization code has expired", failure.CodeInvalid),
		microsoftDown(),
	})
}

// microsoftDown returns the state of a sign-in that fails because Microsoft does not answer. Unlike a renewal, it is not
// retried.
func microsoftDown() state {
	f := fail(failure.MicrosoftUnavailable)
	return state{name: "microsoft-down", about: "Microsoft cannot be reached", set: status(absentStatus()), reach: func(s *tab) {
		s.openSignIn()
		s.p.change(outcome("failed", f))
		s.waitText(f["text"].(string))
		s.waitText("Nothing was changed. Start again in a few minutes.")
		s.waitText("Reference: __reference__.", "reference", "R7W2-KD5M")
	}}
}

func reachBlocked(s *tab) {
	s.blockWindows()
	s.press("Update Refresh Token")
	s.waitText("The browser blocked the new window. Open the Microsoft sign-in page with the link below the button.")
	s.waitText("Open the Microsoft sign-in page")
	s.waitText("Reference: __reference__.", "reference", begunReference)
}

// redeems returns the state of a code that is refused at its field.
func redeems(name, about string, code failure.Code, params ...string) state {
	f := fail(code, params...)
	return state{name: name, about: about, from: "Manual Update", toEnd: true, set: func(p *platform) {
		p.status = pendingStatus()
		p.refuse["redeem"] = f
	}, reach: func(s *tab) {
		s.Enter("code", "3N8B-77TK-W4QD")
		s.press("Update")
		s.waitFailure(f)
		s.Wait(paneltest.Field("code") + `.getAttribute("aria-invalid") === "true"`)
	}}
}

func manualStates() []state {
	return inView("token", []state{
		{name: "copied", about: "A link is made and copied", set: status(absentStatus()), from: "Manual Update", reach: func(s *tab) {
			s.waitText("There's no link yet. Copy creates one and copies it.")
			s.press("Copy")
			s.waitText("Copied")
			s.Wait(paneltest.Field("link") + `.value !== ""`)
		}},
		{name: "code-empty", about: "No code was entered", set: status(pendingStatus()), from: "Manual Update", toEnd: true, reach: func(s *tab) {
			s.press("Update")
			s.waitText("Enter the authentication code.")
		}},
		{name: "code-wrong", classic: true, phone: true, about: "A wrong code, with the attempts left", set: status(pendingStatus()), from: "Manual Update", toEnd: true, reach: func(s *tab) {
			s.Enter("code", "3N8B-77TK-W4QD")
			s.press("Update")
			s.waitFailure(fail(failure.ClaimWrong, "left", "4"))
		}},
		{name: "code-replaces", classic: true, phone: true, about: "The code is of another account's consent than before", set: status(replacingStatus()), from: "Manual Update", reach: func(s *tab) {
			s.State("active")
			s.waitText("Step 3: Enter the Authentication Code")
			s.waitShown("Ada Novak (ada@contoso-partner.onmicrosoft.com)")
		}},
		redeems("claim-expired", "The code has expired", failure.ClaimExpired),
		redeems("claim-locked", "Too many wrong codes", failure.ClaimLocked),
		redeems("claim-malformed", "Not a code at all", failure.ClaimMalformed, "characters", "31", "words", "5"),
		redeems("claim-replaced", "A later sign-in replaced the code", failure.ClaimReplaced),
		redeems("address-cut-off", "Only a part of the address was entered", failure.AddressIncomplete),
		redeems("nothing-waits", "No consent waits for a code", failure.NothingToClaim),
		redeems("sign-in-over", "The sign-in of a pasted address took too long", failure.StateExpired),
		{name: "no-link", about: "There is no URL, because a setting is missing", from: "Manual Update", set: func(p *platform) {
			p.status = trouble("misconfigured", fail(failure.DirectoryMissing), "expiresAt", nil, "daysLeft", 0)
			p.refuse["consentLink"] = fail(failure.DirectoryMissing)
		}, reach: func(s *tab) {
			s.unfold()
			s.press("Copy")
			s.waitFailure(fail(failure.DirectoryMissing))
			s.Wait(widget("copyResult") + `.innerText !== ""`)
		}},
		{name: "claimed", about: "Success", set: status(pendingStatus()), reach: func(s *tab) {
			s.Enter("code", claimCode)
			s.press("Update")
			s.waitText(updated)
			s.State("active")
		}},
	})
}

func buttonStates() []state {
	return inView("token", []state{
		{name: "checked", about: "Check Now", reach: func(s *tab) {
			s.press("Check Now")
			s.waitText("All services accepted the token.")
		}},
		{name: "renewed", about: "Renew Now", reach: func(s *tab) {
			s.press("More")
			s.press("Renew Now")
			s.waitText("The refresh token has been renewed.")
		}},
		{name: "renewal-refused", about: "Renew Now, refused by Microsoft", set: refused("renew", fail(failure.GrantRevoked)), reach: func(s *tab) {
			s.press("More")
			s.press("Renew Now")
			s.waitFailure(fail(failure.GrantRevoked))
		}},
		{name: "forget", classic: true, phone: true, about: "Delete Token asks first", reach: func(s *tab) {
			s.press("More")
			s.press("Delete Token")
			s.Wait(frame + `.querySelector("dialog[open]") !== null`)
		}},
		{name: "forgotten", about: "The token is forgotten", reach: func(s *tab) {
			s.press("More")
			s.press("Delete Token")
			s.Wait(frame + `.querySelector("dialog[open]") !== null`)
			s.press("Delete Token")
			s.waitText("The token has been deleted.")
			s.State("absent")
		}},
		{name: "history-empty", about: "History, empty", from: "History", set: func(p *platform) { p.events = []object{} }, reach: shows("active", "Nothing has happened yet.")},
		{name: "history", classic: true, about: "History", from: "History", set: func(p *platform) { p.events = manyEvents() }, reach: func(s *tab) { s.waitShown("1–10 / 23") }},
		{name: "history-next", about: "History, second page", from: "History", toEnd: true, set: func(p *platform) { p.events = manyEvents() }, reach: func(s *tab) {
			s.Press("›")
			s.waitShown("11–20 / 23")
		}},
		{name: "history-issued", classic: true, about: "History, access tokens issued", from: "History", toEnd: true, set: func(p *platform) { p.events = lentTokens(40) }, reach: func(s *tab) {
			s.press("Access Tokens Issued")
			s.Wait(`!` + widget("lendings") + `.hidden && ` + widget("lendings") + `.innerText.includes("=Azure CSP")`)
		}},
		{name: "history-further", about: "History, of which the newest part has access tokens only", from: "History", toEnd: true, set: func(p *platform) { p.events, p.looksAt = lentTokens(5), 2 }, reach: shows("active", "Nothing recent. Use Show Earlier to look further back.")},
		{name: "history-unreadable", about: "History that cannot be read", from: "History", set: refused("history", fail(failure.InternalError)), reach: shows("active", "The history can't be read at the moment.")},
	})
}

func settingsStates() []state {
	const domain = "contoso-partner.onmicrosoft.com"
	filled := paneltest.Field("directory") + `.value === "` + domain + `"`
	unknown := fail(failure.DirectoryUnknown, "directory", "contoso.example")
	return inView("settings", []state{
		{name: "settings", about: "Settings, with the provider's application", reach: func(s *tab) {
			s.Wait(filled)
			s.waitText("Your provider's application is used.")
		}},
		{name: "settings-own", classic: true, about: "Settings, with an application of their own", whole: true, set: allowOwn, reach: func(s *tab) {
			s.Wait(filled)
			s.waitText("Your Own Application")
		}},
		{name: "settings-wrong", classic: true, about: "Settings that are not sent", whole: true, set: allowOwn, reach: func(s *tab) {
			s.Wait(filled)
			s.waitText("Your Own Application")
			s.Enter("noticeRecipients", "office")
			s.Enter("noticeLanguage", "sv")
			s.Enter("applicationId", "my application")
			s.Enter("applicationSecretEnd", "11")
			s.pressBelow("Save")
			s.waitText("Enter a date such as 2027-11-23.")
			s.waitText("This isn't an email address: __address__", "address", "office")
			s.waitText("Enter de, en, es, fr, it, ja, nl, pt or ru, or leave the field empty.")
			s.waitText("An application (client) ID looks like 00000000-0000-0000-0000-000000000000. Copy it from the overview page of the app registration.")
		}},
		{name: "settings-remove", about: "The question before a credential is removed", set: func(p *platform) {
			allowOwn(p)
			p.tenant["applicationId"] = ownApplication
		}, reach: func(s *tab) {
			s.Wait(paneltest.Field("applicationId") + `.value === "` + ownApplication + `"`)
			s.press("Remove Client Secret")
			s.waitText("The connector deletes this credential and continues with the others. Without any, it can't renew the refresh token. Nothing changes at Microsoft.")
		}},
		{name: "settings-tested", about: "Credentials are tried before they are saved", from: "Your Own Application", toEnd: true, set: allowOwn, reach: func(s *tab) {
			s.Wait(filled)
			s.waitText("Your Own Application")
			s.Enter("applicationId", ownApplication)
			s.Enter("applicationSecret", "right")
			s.Enter("nextApplicationSecret", "wrong")
			s.press("Test Credentials")
			s.Wait(widget("testResult") + `.innerText !== ""`)
		}},
		{name: "settings-refused", about: "Settings that the connector refuses", set: refused("save", unknown), reach: func(s *tab) {
			s.Wait(filled)
			s.Enter("directory", "contoso.example")
			s.pressBelow("Save")
			s.waitFailure(unknown)
		}},
		{name: "settings-saved", about: "Settings are saved", reach: func(s *tab) {
			s.Wait(filled)
			s.pressBelow("Save")
			s.waitText("The settings have been saved.")
		}},
	})
}

func tileStates() []state {
	tile := func(name, about string, set func(*platform), label string) state {
		return state{name: "tile-" + name, about: about, ux1: true, set: set, reach: func(s *tab) {
			s.waitText("Valid Until")
			s.waitText(label)
		}}
	}
	return []state{
		tile("active", "All is well", nil, "Active"),
		tile("expiring", "A warning", status(trouble("expiring", local(failure.GrantExpiring, "days", "9"), "expiresAt", at(9*day+time.Hour), "daysLeft", 9)), "Expiring Soon"),
		tile("expired", "An alarm", status(trouble("expired", local(failure.GrantExpired), "expiresAt", at(-day), "daysLeft", 0)), "Expired"),
		tile("absent", "No token yet", status(absentStatus()), "No Token"),
		tile("unreachable", "The connector can't be reached", func(p *platform) { p.unreachable = true }, "Unknown"),
	}
}

func providerStates() []state {
	const harbour = "Harbour Cloud Resale"
	states := inView("tenants", []state{
		{name: "tenants", classic: true, about: "All resellers, the most urgent first", from: "Resellers", reach: func(s *tab) { s.names(3) }},
		{name: "tenants-many", classic: true, phone: true, about: "1,203 resellers", set: func(p *platform) { p.list = manyTenants(1203) }, reach: func(s *tab) {
			s.waitText("Shown: __shown__ of __total__", "shown", "1–50", "total", s.number(1203))
		}},
		{name: "tenants-search", about: "A search without a result", reach: func(s *tab) {
			s.names(3)
			s.Enter("search", "nobody")
			s.waitText("No reseller matches.")
		}},
		{name: "tenants-detail", classic: true, about: "A reseller in detail", whole: true, reach: func(s *tab) { s.openDetails(harbour) }},
		{name: "tenants-summary", about: "The summary for the support", whole: true, reach: func(s *tab) {
			s.openDetails(harbour)
			s.press("Copy Support Summary")
			s.waitText("The summary has been copied.")
		}},
		{name: "tenants-customers", classic: true, about: "The customers of a reseller", whole: true, reach: func(s *tab) {
			s.openDetails(harbour)
			s.press("Customers")
			s.waitText("Ready")
		}},
		{name: "tenants-renewed", about: "A renewal, started by the provider", reach: func(s *tab) {
			s.openDetails(harbour)
			s.press("Renew Now")
			s.waitText("The refresh token has been renewed.")
		}},
		{name: "tenants-refused", about: "A renewal that Microsoft refuses", set: refused("renew", fail(failure.GrantRevoked)), reach: func(s *tab) {
			s.openDetails(harbour)
			s.press("Renew Now")
			s.waitFailure(fail(failure.GrantRevoked))
		}},
		{name: "tenants-reminded", about: "The provider reminds a reseller", set: status(absentStatus()), whole: true, reach: func(s *tab) {
			s.openDetailsIn(harbour, "absent")
			s.press("Remind Reseller")
			s.waitText("The reseller has been reminded. The notice says who asked for it.")
		}},
		{name: "tenants-none", about: "No reseller yet", set: func(p *platform) { p.list = []object{} }, reach: func(s *tab) {
			s.waitText("No reseller has an Azure Partner subscription yet.")
		}},
		{name: "tenants-unreachable", about: "The connector can't be reached", set: func(p *platform) { p.unreachable = true }, reach: func(s *tab) {
			s.waitText("The connector can't be reached at the moment. Try again in a few minutes.")
			s.waitText("Reference: __reference__.", "reference", transaction)
		}},
	})
	for i := range states {
		states[i].user = providerID
	}
	return states
}
