package panel_test

import (
	"time"

	"github.com/chromedp/chromedp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// A scene is one thing that a person may see.
type scene struct {
	name  string // of its pictures
	about string // for the table of pictures
	view  string // empty: the home page
	user  string // empty: the reseller
	ux1   bool   // only UX1 has it
	set   func(p *platform)
	play  func(s *stage) // does what leads to it, and reads what must be shown
	from  string         // title of the group that comes to the top of its pictures
	toEnd bool           // that group comes to the bottom instead
	whole bool           // its pictures in UX1 show the whole page
}

// A chapter is scenes of one kind.
type chapter struct {
	title  string
	scenes []scene
}

// book is everything that a person may see of the screens.
func book() []chapter {
	return []chapter{
		{"Token status", stateScenes()},
		{"Automatic update", automaticScenes()},
		{"Manual update", manualScenes()},
		{"Buttons and history", buttonScenes()},
		{"Settings", settingsScenes()},
		{"Home tile", tileScenes()},
		{"Provider", providerScenes()},
	}
}

// shown plays nothing but waits for a state and reads texts.
func shown(state string, texts ...string) func(s *stage) {
	return func(s *stage) {
		s.State(state)
		for _, text := range texts {
			s.reads(s.word(text))
		}
	}
}

// told waits for a state and for the failure that explains it.
func told(state string, f object) func(s *stage) {
	return func(s *stage) {
		s.State(state)
		s.tells(f)
	}
}

func at(d time.Duration) string { return noon.Add(d).Format(time.RFC3339) }

const day = 24 * time.Hour

func stateScenes() []scene {
	unavailable, frequency := fail(failure.MicrosoftUnavailable), fail(failure.SignInFrequency)
	secret, expired, expiring := fail(failure.ClientSecretExpired), local(failure.GrantExpired), local(failure.GrantExpiring, "days", "9")
	states := []scene{
		{name: "absent", about: "No Token", set: status(absentStatus()), play: shown("absent", "There is no refresh token for this tenant yet.")},
		{name: "pending", about: "Waiting for the Authentication Code", whole: true, set: status(pendingStatus()), play: shown("pending", "Consent Waiting")},
		{name: "active", about: "Active", whole: true, play: shown("active", "Proven")},
		{
			name: "expiring", about: "Expiring Soon", play: shown("expiring", "Use Renew Now; if that fails, use Update Refresh Token."),
			set: status(trouble("expiring", expiring, "expiresAt", at(9*day+time.Hour), "daysLeft", 9)),
		},
		{
			name: "renewal-failing", about: "Renewal Failing", play: told("renewal_failing", unavailable),
			set: status(trouble("renewal_failing", unavailable, "lastRenewal", object{"at": at(-time.Hour), "ok": false, "failure": unavailable})),
		},
		{
			name: "action-required", about: "Sign-In Needed", play: told("action_required", frequency),
			set: status(trouble("action_required", frequency, "nextRenewalAt", nil)),
		},
		{
			name: "misconfigured", about: "Settings Need Attention", play: told("misconfigured", secret),
			set: status(trouble("misconfigured", secret, "secretEndsAt", at(-day))),
		},
		{
			name: "expired", about: "Expired", play: shown("expired", "The refresh token has expired: it was not renewed for 90 days."),
			set: status(trouble("expired", expired, "expiresAt", at(-day), "daysLeft", 0, "nextRenewalAt", nil)),
		},
		{
			name: "unreachable", about: "The connector cannot be reached", set: func(p *platform) { p.unreachable = true },
			play: func(s *stage) {
				s.State("unknown")
				s.reads(s.word("The connector cannot be reached at the moment. Try again in some minutes."))
				s.reads(s.word("Reference: __reference__.", "reference", transaction))
			},
		},
		{
			name: "state-only", about: "A tenant of a reseller below", user: parentID, set: func(p *platform) { p.parents = p.parents[:1] },
			play: shown("active", "This tenant belongs to a reseller below this account. This account is told its state and nothing else."),
		},
		{
			name: "no-tenant", about: "An account without a subscription",
			set: func(p *platform) { p.tenants, p.required = nil, false },
			play: func(s *stage) {
				s.reads(s.word("This account has no Azure Partner subscription, so there is no refresh token to manage. Subscribe to Azure Partner first, or ask your provider to do so."))
			},
		},
	}
	return inView("token", states)
}

// inView returns scenes with the view in which they play.
func inView(view string, scenes []scene) []scene {
	for i := range scenes {
		scenes[i].view = view
	}
	return scenes
}

// refusedSignIn is the scene of an automatic update that comes to nothing.
func refusedSignIn(name, about string, code failure.Code, pairs ...string) scene {
	f := fail(code, pairs...)
	return scene{name: name, about: about, set: status(absentStatus()), play: func(s *stage) {
		s.signIn()
		s.p.change(outcome("failed", f))
		s.tells(f)
		s.Wait(`!` + widget("update") + `.disabled`)
	}}
}

func automaticScenes() []scene {
	return inView("token", []scene{
		{name: "waiting", about: "Progress, while the sign-in goes on in the other window", set: status(absentStatus()), from: "Automatic Update", play: func(s *stage) { s.signIn() }},
		{name: "blocked", about: "The browser blocked the window", set: status(absentStatus()), whole: true, play: playBlocked},
		{name: "closed", about: "The window was closed", set: status(absentStatus()), from: "Automatic Update", play: func(s *stage) {
			if err := chromedp.Cancel(s.signIn().Ctx); err != nil {
				s.T.Fatal(err)
			}
			s.reads(s.word("The window was closed. If the consent was granted, the result appears here in a moment; otherwise press Update Refresh Token to start again."))
			s.reads(s.word("Reference: __reference__.", "reference", begunReference))
		}},
		{name: "interrupted", about: "The connector cannot be reached while it goes on", set: status(absentStatus()), from: "Automatic Update", play: func(s *stage) {
			s.signIn()
			s.p.change(func(p *platform) { p.unreachable = true })
			s.reads(s.word("Waiting for the consent. The connector cannot be reached at the moment; it is asked again by itself."))
			s.reads(s.word("Reference: __reference__.", "reference", begunReference))
		}},
		{name: "updated", about: "Success", set: status(absentStatus()), play: func(s *stage) {
			s.signIn()
			s.p.change(outcome("succeeded", nil))
			s.reads(s.word(updated))
			s.State("active")
		}},
		refusedSignIn("declined", "Declined", failure.ConsentDeclined),
		refusedSignIn("timed-out", "The attempt timed out", failure.ConsentTimedOut),
		refusedSignIn("wrong-directory", "Wrong directory", failure.WrongDirectory, "seen", "fabrikam.onmicrosoft.com", "expected", "contoso-partner.onmicrosoft.com"),
		refusedSignIn("role-missing", "A role is missing", failure.RoleMissing, "username", "ada@contoso-partner.onmicrosoft.com", "role", "Admin agent"),
		refusedSignIn("mfa-missing", "No multi-factor authentication", failure.MFAMissing),
		refusedSignIn("code-used", "The authorization code was used before", failure.CodeUsed),
		refusedSignIn("code-expired", "The authorization code has expired", failure.CodeInvalid),
		microsoftDown(),
	})
}

// microsoftDown is a sign-in that fails because Microsoft does. Nothing tries that again by itself, as a renewal would be.
func microsoftDown() scene {
	f := fail(failure.MicrosoftUnavailable)
	return scene{name: "microsoft-down", about: "Microsoft cannot be reached", set: status(absentStatus()), play: func(s *stage) {
		s.signIn()
		s.p.change(outcome("failed", f))
		s.reads(s.word(f["text"].(string)))
		s.reads(s.word("Nothing was changed. Start again in some minutes."))
		s.reads(s.word("Reference: __reference__.", "reference", "R7W2-KD5M"))
	}}
}

func playBlocked(s *stage) {
	// A click by script is not an act of a person, so the browser blocks the window.
	s.Wait(`!navigator.userActivation.isActive && !` + frame + `.defaultView.navigator.userActivation.isActive`)
	evaluate[bool](s.driver, widget("update")+`.click(), true`)
	s.reads(s.word("The browser blocked the new window. Open the Microsoft sign-in page with the link below the button."))
	s.reads(s.word("Open the Microsoft sign-in page"))
	s.reads(s.word("Reference: __reference__.", "reference", begunReference))
}

// redeems is the scene of a code that is refused at its field.
func redeems(name, about string, code failure.Code) scene {
	f := fail(code)
	return scene{name: name, about: about, from: "Manual Update", set: func(p *platform) {
		p.status = pendingStatus()
		p.refuse["redeem"] = f
	}, play: func(s *stage) {
		s.Enter("code", "3N8B-77TK-W4QD")
		s.press("Update")
		s.tells(f)
	}}
}

func manualScenes() []scene {
	return inView("token", []scene{
		{name: "copied", about: "The URL has been copied", set: status(absentStatus()), from: "Manual Update", play: func(s *stage) {
			s.Wait(paneltest.Field("link") + `.value !== ""`)
			s.press("Copy")
			s.reads(s.word("The URL has been copied."))
		}},
		{name: "code-empty", about: "No code was entered", set: status(pendingStatus()), from: "Manual Update", play: func(s *stage) {
			s.press("Update")
			s.reads(s.word("Enter the authentication code."))
		}},
		{name: "code-wrong", about: "A wrong code, with the tries left", set: status(pendingStatus()), from: "Manual Update", play: func(s *stage) {
			s.Enter("code", "3N8B-77TK-W4QD")
			s.press("Update")
			s.tells(fail(failure.ClaimWrong, "left", "4"))
		}},
		redeems("claim-expired", "The code has expired", failure.ClaimExpired),
		redeems("claim-locked", "Too many wrong codes", failure.ClaimLocked),
		redeems("claim-malformed", "Not a code at all", failure.ClaimMalformed),
		redeems("nothing-waits", "No consent waits for a code", failure.NothingToClaim),
		redeems("sign-in-over", "The sign-in of a pasted address took too long", failure.StateExpired),
		{name: "no-link", about: "There is no URL, because a setting is missing", from: "Manual Update", set: func(p *platform) {
			p.status = trouble("misconfigured", fail(failure.DirectoryMissing), "expiresAt", nil, "daysLeft", 0)
			p.refuse["consentLink"] = fail(failure.DirectoryMissing)
		}, play: func(s *stage) { s.tells(fail(failure.DirectoryMissing)) }},
		{name: "claimed", about: "Success", set: status(pendingStatus()), play: func(s *stage) {
			s.Enter("code", claimCode)
			s.press("Update")
			s.reads(s.word(updated))
			s.State("active")
		}},
	})
}

func buttonScenes() []scene {
	return inView("token", []scene{
		{name: "checked", about: "Check Now", play: func(s *stage) {
			s.press("Check Now")
			s.reads(s.word("The token has been checked."))
		}},
		{name: "renewed", about: "Renew Now", play: func(s *stage) {
			s.press("Renew Now")
			s.reads(s.word("The refresh token has been renewed."))
		}},
		{name: "renewal-refused", about: "Renew Now, refused by Microsoft", set: refused("renew", fail(failure.GrantRevoked)), play: func(s *stage) {
			s.press("Renew Now")
			s.tells(fail(failure.GrantRevoked))
		}},
		{name: "forget", about: "Forget Token asks first", play: func(s *stage) {
			s.press("Forget Token")
			s.Wait(frame + `.querySelector("dialog[open]") !== null`)
		}},
		{name: "forgotten", about: "The token is forgotten", play: func(s *stage) {
			s.press("Forget Token")
			s.Wait(frame + `.querySelector("dialog[open]") !== null`)
			s.press("Forget Token")
			s.reads(s.word("The token has been forgotten."))
			s.State("absent")
		}},
		{name: "history-empty", about: "History, empty", from: "History", set: func(p *platform) { p.events = []object{} }, play: shown("active", "Nothing has happened yet.")},
		{name: "history", about: "History", from: "History", toEnd: true, set: func(p *platform) { p.events = manyEvents() }, play: func(s *stage) { s.reads("1–10 / 23") }},
		{name: "history-next", about: "History, second page", from: "History", toEnd: true, set: func(p *platform) { p.events = manyEvents() }, play: func(s *stage) {
			s.Press("›")
			s.reads("11–20 / 23")
		}},
		{name: "history-unreadable", about: "History that cannot be read", from: "History", set: refused("history", fail(failure.InternalError)), play: shown("active", "The history cannot be read at the moment.")},
	})
}

func settingsScenes() []scene {
	const domain = "contoso-partner.onmicrosoft.com"
	filled := paneltest.Field("directory") + `.value === "` + domain + `"`
	unknown := fail(failure.DirectoryUnknown, "directory", "contoso.example")
	return inView("settings", []scene{
		{name: "settings", about: "Settings, with the provider's application", play: func(s *stage) {
			s.Wait(filled)
			s.reads(s.word("The application of your provider is used."))
		}},
		{name: "settings-own", about: "Settings, with an application of his own", whole: true, set: allowOwn, play: func(s *stage) {
			s.Wait(filled)
			s.reads(s.word("Own Application"))
		}},
		{name: "settings-wrong", about: "Settings that are not sent", whole: true, set: allowOwn, play: func(s *stage) {
			s.Wait(filled)
			s.reads(s.word("Own Application"))
			s.Enter("applicationId", "my application")
			s.Enter("applicationSecretEnd", "next year")
			s.pressBelow("Save")
			s.reads(s.word("Enter a day as in 2027-11-23."))
			s.reads(s.word("An application (client) ID has the form 00000000-0000-0000-0000-000000000000. Copy it from the overview page of the app registration."))
		}},
		{name: "settings-refused", about: "Settings that the connector refuses", set: refused("save", unknown), play: func(s *stage) {
			s.Wait(filled)
			s.Enter("directory", "contoso.example")
			s.pressBelow("Save")
			s.tells(unknown)
		}},
		{name: "settings-saved", about: "Settings are saved", play: func(s *stage) {
			s.Wait(filled)
			s.pressBelow("Save")
			s.reads(s.word("The settings have been saved."))
		}},
	})
}

func tileScenes() []scene {
	tile := func(name, about string, set func(*platform), label string) scene {
		return scene{name: "tile-" + name, about: about, ux1: true, set: set, play: func(s *stage) {
			s.reads(s.word("Valid Until"))
			s.reads(s.word(label))
		}}
	}
	return []scene{
		tile("active", "All is well", nil, "Active"),
		tile("expiring", "A warning", status(trouble("expiring", local(failure.GrantExpiring, "days", "9"), "expiresAt", at(9*day+time.Hour), "daysLeft", 9)), "Expiring Soon"),
		tile("expired", "An alarm", status(trouble("expired", local(failure.GrantExpired), "expiresAt", at(-day), "daysLeft", 0)), "Expired"),
		tile("absent", "No token yet", status(absentStatus()), "No Token"),
		tile("unreachable", "The connector cannot be reached", func(p *platform) { p.unreachable = true }, "Not Known"),
	}
}

func providerScenes() []scene {
	const harbour = "Harbour Cloud Resale"
	scenes := inView("tenants", []scene{
		{name: "tenants", about: "All resellers, the most urgent first", play: func(s *stage) { s.names(3) }},
		{name: "tenants-sorted", about: "Sorted by days left, downwards", play: func(s *stage) {
			s.names(3)
			s.press("Days Left")
			s.Wait(frame + `.querySelector('[aria-sort="ascending"]') !== null`)
			s.press("Days Left")
			s.Wait(frame + `.querySelector('[aria-sort="descending"]') !== null`)
		}},
		{name: "tenants-detail", about: "A reseller in detail", whole: true, play: func(s *stage) { s.detailsOf(harbour) }},
		{name: "tenants-renewed", about: "A renewal, started by the provider", play: func(s *stage) {
			s.detailsOf(harbour)
			s.press("Renew Now")
			s.reads(s.word("The refresh token has been renewed."))
		}},
		{name: "tenants-refused", about: "A renewal that Microsoft refuses", set: refused("renew", fail(failure.GrantRevoked)), play: func(s *stage) {
			s.detailsOf(harbour)
			s.press("Renew Now")
			s.tells(fail(failure.GrantRevoked))
		}},
		{name: "tenants-none", about: "No reseller yet", set: func(p *platform) { p.list = []object{} }, play: func(s *stage) {
			s.reads(s.word("No reseller has an Azure Partner subscription yet."))
		}},
		{name: "tenants-unreachable", about: "The connector cannot be reached", set: func(p *platform) { p.unreachable = true }, play: func(s *stage) {
			s.reads(s.word("The connector cannot be reached at the moment. Try again in some minutes."))
			s.reads(s.word("Reference: __reference__.", "reference", transaction))
		}},
	})
	for i := range scenes {
		scenes[i].user = providerID
	}
	return scenes
}
