// Package microsoft is a simulated Microsoft: the identity platform with its sign-in and consent pages, Partner Center,
// Graph and Azure Resource Manager, each on a loopback listener of its own. The sandbox, the walk and the end-to-end
// tests run against it; nothing in production imports it.
//
// It is strict: it refuses what Microsoft refuses, with Microsoft's error codes and formats. The facts and the numbers
// S1 to S37 in comments and tests come from docs/reference/microsoft-identity.md §8.2. Time comes only from Config.Now,
// so that a test can let ninety days pass. The texts are not Microsoft's.
//
// A test seeds directories, users and applications, goes through the pages with SignIn (without a browser), and changes
// the behaviour with faults, policies and oddities:
//
//	sim, err := microsoft.Start(microsoft.Config{Now: clock.Now})
//	defer sim.Close()
//	err = sim.AddDirectory(microsoft.Directory{ID: directory, Domain: "contoso.example", Name: "Contoso"})
//	sim.SetPolicy(directory, microsoft.Policy{SignInFrequency: 14 * 24 * time.Hour})
//	sim.AddFault(microsoft.Fault{Host: microsoft.Login, GrantType: "refresh_token", Status: 503, Times: 1})
//
// docs/reference/microsoft-identity.md §8.5 lists what no simulator can show.
package microsoft
