package microsoft

import (
	"slices"
	"strings"
)

// A Cloud is the profile of one Microsoft cloud: the names that do not depend on the simulated addresses
// (docs/reference/microsoft-identity.md §1.1, §1.4).
type Cloud struct {
	Name string
	// Issuer begins the issuer of v1.0 tokens; "/{directory}/" follows.
	Issuer string
	// Instance is cloud_instance_name of the discovery document.
	Instance string

	PartnerCenter, Graph, ARM Resource
	// Partner is a service beside the three, for which tokens are issued only where somebody asks for them.
	Partner Resource
}

// A Resource is one API as tokens name it.
type Resource struct {
	AppID string
	Name  string
	// Audiences are the values of aud that the API accepts; scopes begin with one of them. The first is canonical.
	Audiences []string
}

// Identifiers of the APIs, the same in every cloud.
const (
	partnerCenterAppID = "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd"
	graphAppID         = "00000003-0000-0000-c000-000000000000"
	armAppID           = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
	partnerAppID       = "4990cffe-04e8-4e8b-808a-1175604b879f" // made up
)

// Global returns the profile of the worldwide cloud.
func Global() Cloud {
	return profile("global", "https://sts.windows.net", "microsoftonline.com",
		"https://api.partnercenter.microsoft.com", "https://graph.microsoft.com",
		"https://management.azure.com", "https://management.core.windows.net/")
}

// USGovernment returns the profile of the cloud for US government; its Partner Center is the global one.
func USGovernment() Cloud {
	return profile("usgovernment", "https://sts.windows.net", "microsoftonline.us",
		"https://api.partnercenter.microsoft.com", "https://graph.microsoft.us",
		"https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net/")
}

// China returns the profile of the cloud operated by 21Vianet.
func China() Cloud {
	return profile("china", "https://sts.chinacloudapi.cn", "partner.microsoftonline.cn",
		"https://partner.partnercenterapi.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn",
		"https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn/")
}

func profile(name, issuer, instance, partnerCenter, graph, arm, armLegacy string) Cloud {
	return Cloud{
		Name: name, Issuer: issuer, Instance: instance,
		PartnerCenter: Resource{AppID: partnerCenterAppID, Name: "Microsoft Partner Center", Audiences: []string{partnerCenter}},
		Graph:         Resource{AppID: graphAppID, Name: "Microsoft Graph", Audiences: []string{graph, graph + "/"}},
		ARM: Resource{
			AppID: armAppID, Name: "Windows Azure Service Management API",
			Audiences: []string{arm, arm + "/", armLegacy},
		},
		Partner: Resource{AppID: partnerAppID, Name: "Microsoft Partner API", Audiences: []string{"https://api.partner.microsoft.com"}},
	}
}

// resource returns the resource of one of the APIs.
func (c Cloud) resource(host Host) Resource {
	switch host {
	case PartnerCenter:
		return c.PartnerCenter
	case Graph:
		return c.Graph
	case Partner:
		return c.Partner
	default:
		return c.ARM
	}
}

// find returns the API with a resource identifier: an audience with or without its slash, or an application ID.
func (c Cloud) find(identifier string) (Host, bool) {
	for _, host := range resourceHosts() {
		r := c.resource(host)
		if strings.EqualFold(identifier, r.AppID) {
			return host, true
		}
		trimmed := strings.TrimRight(identifier, "/")
		if slices.ContainsFunc(r.Audiences, func(a string) bool { return strings.EqualFold(strings.TrimRight(a, "/"), trimmed) }) {
			return host, true
		}
	}
	return "", false
}

// A permission is one delegated permission.
type permission struct {
	title     string // on the consent page
	detail    string
	adminOnly bool // only an administrator may consent
}

// permissions are the delegated permissions of the simulated APIs (docs/reference/microsoft-identity.md §5.4).
var permissions = map[Host]map[string]permission{
	PartnerCenter: {
		"user_impersonation": {"Work with Partner Center for you", "The app may do in Partner Center what you may do there.", false},
	},
	ARM: {
		"user_impersonation": {"Manage Azure resources for you", "The app may use Azure Resource Manager with your rights.", false},
	},
	Partner: {
		"user_impersonation": {"Use the partner service for you", "The app may use the partner service with your rights.", false},
		"Insights.Read.All":  {"Read partner insights", "The app may read reports about your partnership.", true},
	},
	Graph: {
		"User.Read":                                {"See who you are", "The app may read your profile.", false},
		"User.Read.All":                            {"See all users' profiles", "The app may read every profile of the organization.", true},
		"Directory.Read.All":                       {"Read the directory", "The app may read users, groups, roles and applications.", true},
		"Directory.AccessAsUser.All":               {"Use the directory with your rights", "The app may read and change what you may.", true},
		"GroupMember.Read.All":                     {"Read group memberships", "The app may list groups and their members.", true},
		"RoleManagement.Read.Directory":            {"Read directory roles", "The app may see who holds which role.", true},
		"Application.Read.All":                     {"Read app registrations", "The app may see applications and when their secrets end.", true},
		"DelegatedAdminRelationship.Read.All":      {"Read delegated admin relationships", "The app may see relationships with customers.", true},
		"DelegatedAdminRelationship.ReadWrite.All": {"Manage delegated admin relationships", "The app may read and change relationships with customers.", true},
		"PartnerBilling.Read.All":                  {"Read partner billing", "The app may read invoices and usage of the partner.", true},
		"User.RevokeSessions.All":                  {"End users' sessions", "The app may sign users out everywhere.", true},
	},
}

// oidcPermissions are the scopes of OpenID Connect, which belong to no API.
var oidcPermissions = map[string]permission{
	"openid":         {"Sign you in", "The app may let you sign in with this account.", false},
	"profile":        {"Know your name and address", "The app may read the basics of your profile.", false},
	"email":          {"Know your mail address", "The app may read your primary mail address.", false},
	"offline_access": {"Keep the access you give", "The app may keep using this access while you are away.", false},
}
