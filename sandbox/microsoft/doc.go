// Package microsoft is a simulated Microsoft: the identity platform with its sign-in and consent pages, Partner Center,
// Graph and Azure Resource Manager, each on a loopback listener of its own. The sandbox, the walk and the end-to-end
// tests run against it; nothing in production imports it.
//
// It is strict: what Microsoft refuses, it refuses, with Microsoft's error codes and shapes. The facts and the numbers
// S1 to S25 in comments and tests come from microsoft-identity.md §8.2. Time is Config.Now and nothing else, so that
// ninety days pass when a test says so. All texts are our own.
//
// A test seeds directories, users and applications, goes through the pages with SignIn (no browser needed), and moves
// the simulator into trouble with faults, policies and oddities:
//
//	sim, err := microsoft.Start(microsoft.Config{Now: clock.Now})
//	defer sim.Close()
//	err = sim.AddDirectory(microsoft.Directory{ID: directory, Domain: "contoso.example", Name: "Contoso"})
//	sim.SetPolicy(directory, microsoft.Policy{SignInFrequency: 14 * 24 * time.Hour})
//	sim.AddFault(microsoft.Fault{Host: microsoft.Login, GrantType: "refresh_token", Status: 503, Times: 1})
//
// What no simulator can show is listed in microsoft-identity.md §8.5.
package microsoft
