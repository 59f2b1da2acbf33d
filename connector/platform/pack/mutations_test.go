package pack_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"
)

// repositoryFiles returns the files of this repository's package, without its list and with three of its languages only, which
// is faster.
func repositoryFiles(t *testing.T) map[string]string {
	t.Helper()
	p, err := pack.Load(azurepartner.Manifest(), schemas.Files, uiextension.Files())
	if err != nil {
		t.Fatalf("Load() = %v, want a package", err)
	}
	_, built := build(t, p)
	files := make(map[string]string)
	for name, content := range built {
		locale, isCatalogue := strings.CutPrefix(name, "i18n/")
		if name != "APP-LIST.xml" && (!isCatalogue || slices.Contains([]string{"en_US.json", "de_DE.json", "nl_NL.json"}, locale)) {
			files[name] = string(content)
		}
	}
	return files
}

// A mutation replaces old by new once in a file of the package. An empty old replaces or adds the whole file.
type mutation struct{ file, old, new string }

func (m mutation) apply(t *testing.T, files map[string]string) {
	t.Helper()
	switch {
	case m.old == "":
		files[m.file] = m.new
	case !strings.Contains(files[m.file], m.old):
		t.Fatalf("%s holds no %q", m.file, m.old)
	default:
		files[m.file] = strings.Replace(files[m.file], m.old, m.new, 1)
	}
}

const (
	meta   = "APP-META.xml"
	app    = "schemas/app.schema"
	tenant = "schemas/tenant.schema"
	words  = "ui/lib/connector.js"
	id     = "http://aps.example.com/azure-partner-connector"
)

// Every fault that one slip can make in our package is found, and has the right level.
func TestCheck_FindsMutationsOfOurPackage(t *testing.T) {
	const (
		refused = pack.Refused
		advice  = pack.Advice
	)
	property := func(definition string) mutation {
		return mutation{tenant, `"properties": {`, `"properties": {"more": ` + definition + `,`}
	}
	operation := func(definition string) mutation {
		return mutation{tenant, `"operations": {`, `"operations": {` + definition + `,`}
	}
	base := repositoryFiles(t)
	for name, tc := range map[string]struct {
		mutation
		level pack.Level
		want  string
	}{
		"implements an unknown core type":   {mutation{tenant, "core/suspendable/1.0", "core/suspendible/1.0"}, refused, "no core type"},
		"implements a later core type":      {mutation{tenant, "core/suspendable/1.0", "core/suspendable/2.0"}, refused, "no core type"},
		"relation to an unknown core type":  {mutation{app, "core/account/1.0", "core/acount/1.0"}, refused, "no core type"},
		"relation to an unknown type of pa": {mutation{app, "http://aps-standard.org/types/core/account/1.0", "http://parallels.com/aps/types/pa/acount/1.0"}, advice, "not among the platform's types"},
		"variable of an unknown core type":  {mutation{meta, id + "/tenant/2.0", "http://aps-standard.org/types/core/tenant/1.0"}, refused, "no core type"},
		"inherited operation redefined":     {operation(`"disable": {"verb": "POST", "path": "/disable"}`), refused, "the inherited operation of this name is PUT /disable"},
		"inherited operation restated":      {operation(`"disable": {"verb": "PUT", "path": "/disable"}`), advice, "is inherited"},
		"inherited path":                    {operation(`"pause": {"verb": "PUT", "path": "/disable"}`), refused, "the inherited operation disable"},
		"inherited name of the resource":    {operation(`"configure": {"verb": "POST", "path": "/more"}`), refused, "the inherited operation of this name is PUT /"},
		"inherited path of the resource":    {operation(`"change": {"verb": "PUT", "path": "/"}`), refused, "the inherited operation configure"},
		"inherited path of the application": {mutation{app, `"path": "/healthCheck"`, `"path": "/upgrade"`}, "", ""}, // GET, not POST
		"upgrade again":                     {mutation{app, "\"verb\": \"GET\",\n      \"path\": \"/healthCheck\"", "\"verb\": \"POST\",\n      \"path\": \"/upgrade\""}, refused, "the inherited operation upgrade"},
		"path of an inherited relation":     {mutation{tenant, `"path": "/renew"`, `"path": "/account"`}, refused, "path of the inherited relation account"},
		"path below an inherited relation":  {mutation{tenant, `"path": "/renew"`, `"path": "/subscription/more"`}, refused, "path of the inherited relation subscription"},
		"property like inherited relation":  {mutation{tenant, `"tokenReason"`, `"account"`}, refused, "an inherited relation has the same name"},
		"property aps":                      {mutation{tenant, `"tokenReason"`, `"aps"`}, refused, "the platform's own part"},
		"must-accept no boolean":            {mutation{meta, `must-accept="false"`, `must-accept="no"`}, refused, "must-accept"},
		"required as text":                  {mutation{tenant, `"required": true`, `"required": "true"`}, refused, "required must be true or false"},
		"encrypted as number":               {mutation{tenant, `"encrypted": true`, `"encrypted": 1`}, refused, "encrypted must be true or false"},
		"access as text":                    {mutation{tenant, `"referrer": false`, `"referrer": "false"`}, refused, "access of referrer"},
		"unknown role":                      {mutation{tenant, `"referrer": false`, `"refferer": false`}, refused, "no role"},
		"implements as text":                {mutation{app, `["http://aps-standard.org/types/core/application/1.0"]`, `"http://aps-standard.org/types/core/application/1.0"`}, refused, "implements must be a list"},
		"properties as list":                {mutation{tenant, `"properties": {`, `"properties": [], "more": {`}, refused, "properties must be an object"},
		"misspelt attribute":                {mutation{tenant, `"encrypted": true`, `"encripted": true`}, advice, `no attribute "encripted"`},
		"misspelt part":                     {mutation{app, `"relations": {`, `"relation": {`}, advice, `no attribute "relation"`},
		"misspelt attribute of operation":   {mutation{tenant, `"path": "/renew"`, `"path": "/renew", "acess": {}`}, advice, `no attribute "acess"`},
		"misspelt attribute of parameter":   {mutation{tenant, `"kind": "path", "type"`, `"kind": "path", "requierd": true, "type"`}, advice, `no attribute "requierd"`},
		"misspelt attribute of relation":    {mutation{app, `"collection": true`, `"colection": true`}, advice, `no attribute "colection"`},
		"default of a wrong type":           {mutation{app, `"default": false`, `"default": "false"`}, refused, "the default"},
		"default outside its enumeration":   {mutation{app, `"default": "none"`, `"default": "nothing"`}, refused, "not in the enumeration"},
		"enum value of a wrong type":        {mutation{app, `"enum": ["none", "listed", "any"]`, `"enum": ["none", 2, "any"]`}, refused, "the value 2"},
		"default of items of a wrong type":  {property(`{"type": "array", "items": {"type": "string"}, "default": ["a", 1]}`), refused, "the value 1"},
		"default that is too long":          {property(`{"type": "string", "maxLength": 2, "default": "abc"}`), refused, "longer or shorter"},
		"relation aps":                      {mutation{app, `"relations": {`, `"relations": {"aps": {"type": "http://aps-standard.org/types/core/account/1.0"},`}, refused, "the platform's own part"},
		"requirement is no RQL":             {mutation{app, `"collection": true`, `"collection": true, "requirement": "eq(a"`}, advice, "requirement is no RQL"},
		"answer to errors of unknown type":  {mutation{tenant, `"path": "/renew"`, `"path": "/renew", "errorResponse": {"type": "objekt"}`}, refused, `no type "objekt"`},
		"parameter without a type":          {mutation{tenant, `"parameters": {`, `"parameters": {"other": {"kind": "query"},`}, advice, "has no type"},
		"structure in the address":          {mutation{tenant, `"parameters": {`, `"parameters": {"other": {"kind": "query", "type": "ClaimCode"},`}, advice, "cannot hold"},
		"negative length":                   {mutation{tenant, `"maxLength": 36`, `"maxLength": -1`}, refused, "maxLength"},
		"length as text":                    {mutation{tenant, `"maxLength": 36`, `"maxLength": "36"`}, refused, "maxLength"},
		"least above greatest":              {mutation{tenant, `"maxLength": 36`, `"minLength": 40, "maxLength": 36`}, refused, "above the greatest"},
		"unknown format":                    {property(`{"type": "string", "format": "urn"}`), advice, "no format"},
		"unknown type of property":          {property(`{"type": "strng"}`), refused, "no type"},
		"unknown structure":                 {property(`{"type": "PanelBrowsers"}`), refused, "no type"},
		"unknown structure of our own type": {property(`{"type": "` + id + `/app/2.0#Borrowers"}`), refused, "no structure Borrowers"},
		"unknown structure of a core type":  {mutation{app, "1.0#Notification", "1.0#Notice"}, refused, "no structure Notice"},
		"structure of an unknown own type":  {property(`{"type": "` + id + `/apps/2.0#Borrower"}`), refused, "no type"},
		"items of an unknown type":          {property(`{"type": "array", "items": {"type": "strng"}}`), refused, "no type"},
		"two structured body parameters":    {mutation{tenant, `"parameters": {`, `"parameters": {"claim": {"kind": "body", "type": "ClaimCode"},`}, refused, "a structured parameter is the whole body"},
		"structured and primitive":          {mutation{tenant, `"parameters": {`, `"parameters": {"other": {"kind": "body", "type": "string"},`}, refused, "a structured parameter is the whole body"},
		"body on GET":                       {mutation{tenant, "\"verb\": \"POST\",\n      \"path\": \"/redeem\"", "\"verb\": \"GET\",\n      \"path\": \"/redeem\""}, refused, "a GET has no body"},
		"unknown verb":                      {mutation{tenant, `"verb": "POST"`, `"verb": "post"`}, refused, "no verb"},
		"parameter of an unknown type":      {mutation{tenant, `"kind": "path", "type": "string"`, `"kind": "path", "type": "strng"`}, refused, "no type"},
		"answer of an unknown type":         {mutation{tenant, `"type": "object"},`, `"type": "objekt"},`}, refused, `no type "objekt"`},
		"visible is no RQL":                 {mutation{meta, "eq(_is_reseller, true())", "eq(_is_reseller, true()"}, refused, "visible is no RQL"},
		"visible with unknown function":     {mutation{meta, "eq(_is_reseller, true())", "equals(_is_reseller, true())"}, refused, "visible is no RQL"},
		"visible with an unknown variable":  {mutation{meta, "eq(_is_reseller, true())", "eq(_is_seller, true())"}, refused, "the variable _is_seller"},
		"visible with a later variable":     {mutation{meta, "eq(_is_reseller, true())", "eq(app.cloud, global)"}, refused, "the variable app"},
		"filter is no RQL":                  {mutation{meta, `collection="true"`, `collection="true" filter="eq(tokenStatus"`}, refused, "filter is no RQL"},
		"filter with an unknown property":   {mutation{meta, `collection="true"`, `collection="true" filter="eq(tokenStatusses,active)"`}, refused, "the property tokenStatusses"},
		"param of an unknown type":          {mutation{meta, "<controls>", `<params><param name="x" type="strng"></param></params><controls>`}, refused, `no type "strng"`},
		"unknown widget":                    {mutation{"ui/plugins/token-tile.js", `"aps/Status"`, `"aps/State"`}, advice, "the module aps/State"},
		"unknown widget in a tree":          {mutation{"ui/lib/status.js", `["aps/Output"`, `["aps/Ouput"`}, advice, "the module aps/Ouput"},
		"type of a misspelt namespace":      {mutation{app, "http://aps-standard.org/types/core/account/1.0", "http://aps-standard.org/type/core/account/1.0"}, advice, "of another package"},
		"unknown module of our own":         {mutation{"ui/ux1/token.js", `"app/lib/token"`, `"app/lib/tokens"`}, advice, "the module app/lib/tokens"},
		"unknown module beside it":          {mutation{"ui/plugins/token-tile.js", `"../lib/connector"`, `"../lib/conector"`}, advice, "the module ../lib/conector"},
		"unknown module of a page":          {mutation{"ui/classic/token.html", `"app/lib/token"`, `"app/lib/tokens"`}, advice, "the module app/lib/tokens"},
		"script with a lost bracket":        {mutation{"ui/ux1/token.js", "});", "}"}, refused, "syntax error"},
		"script with a lost quote":          {mutation{words, `t("Active")`, `t("Active)`}, refused, "syntax error"},
		"script with a misspelt keyword":    {mutation{words, "const day", "cnst day"}, refused, "syntax error"},
		"page with a script that is broken": {mutation{"ui/classic/token.html", "});", "}"}, refused, "syntax error"},
		"text in no catalogue":              {mutation{words, `t("Active")`, `t("Activ")`}, advice, `"Activ" is in no catalogue`},
		"text of the tile in no catalogue":  {mutation{"ui/plugins/token-tile.js", `_("Valid Until", this)`, `_("Valid till", this)`}, advice, `"Valid till" is in no catalogue`},
		"text in all but one catalogue":     {mutation{"i18n/de_DE.json", `"Active":`, `"Actively":`}, advice, `lacks "Active"`},
		"icon is no picture":                {mutation{"images/icon.png", "", "not a picture"}, advice, "is no picture"},
		"changelog without this release":    {mutation{meta, `<version version="2" release="1">`, `<version version="2" release="0">`}, advice, "does not have this release"},
		"flag of a variable":                {mutation{meta, `required="true"`, `required="yes"`}, refused, "true or false"},
		"extension point":                   {mutation{meta, "http://www.aps-standard.org/ui/rcp/2", "http://www.aps-standard.org/rcp/2"}, refused, "no extension point"},
		"broken script that is not loaded":  {mutation{"ui/lib/more.js", "", "("}, advice, "no screen loads it"},
		"script of old browsers":            {mutation{words, "const day", "var eight = 010; const day"}, advice, "legacy octal"},
		"no source":                         {mutation{meta, `src="ui/ux1/token.js"`, `src="ui/ux1/tokens.js"`}, refused, "not in the archive"},
		"id of a screen in UX1":             {mutation{meta, `<view id="token"`, `<view id="Token"`}, refused, "as UX1 wants it"},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(base)
			tc.apply(t, files)
			findings := check(zipOf(t, files))
			if tc.want == "" {
				if len(findings) > 0 {
					t.Errorf("Check() = %v, want no finding", findings)
				}
				return
			}
			checkHas(t, findings, tc.want)
			for _, f := range findings {
				if strings.Contains(f.String(), tc.want) && f.Level != tc.level {
					t.Errorf("Check() found %q as %s, want %s", f, f.Level, tc.level)
				}
			}
		})
	}
}

// What packages have that real platforms run (docs/reference/aps-protocol.md §6.8) is not refused. want is in the advice, or
// empty where there is nothing to say.
func TestCheck_AcceptsWhatPlatformsRun(t *testing.T) {
	base := repositoryFiles(t)
	for name, tc := range map[string]struct {
		mutations []mutation
		want      string
	}{
		"hidden file": {[]mutation{{"scripts/.htaccess", "", "x"}}, "is a hidden file"},
		"comments in a generated schema": {[]mutation{
			{"schemas/tenant.schema.gen", "", "// generated\n" + strings.Replace(base[tenant], `"name": "tenant",`, `"name": "tenant", // http://x"`, 1)},
			{meta, tenant, "schemas/tenant.schema.gen"},
			{tenant, "", "\x00"},
		}, ""},
		"code after the schema":           {[]mutation{{meta, `<schema path="schemas/tenant.schema"></schema>`, `<schema path="schemas/tenant.schema"/><code engine="php" path="scripts/tenant.php"/>`}}, ""},
		"one page for several screens":    {[]mutation{{meta, `src="ui/classic/settings.html"`, `src="ui/classic/token.html"`}}, ""},
		"one module for several screens":  {[]mutation{{meta, `src="ui/ux1/settings.js"`, `src="ui/ux1/token.js"`}}, "serves two screens"},
		"no translations":                 {[]mutation{{"i18n/nl_NL.json", "", "{}"}}, `lacks "Active"`},
		"a key twice in a catalogue":      {[]mutation{{"i18n/de_DE.json", "{", `{"Active": "x",`}}, "repeated"},
		"variable without version":        {[]mutation{{meta, id + "/tenant/2.0", "http://parallels.com/aps/types/pa/account"}}, ""},
		"own type without version":        {[]mutation{{meta, id + "/tenant/2.0", id + "/tenant"}}, ""},
		"type of another package":         {[]mutation{{meta, id + "/tenant/2.0", "http://www.parallels.com/marketplace/1.12"}}, "a type of another package"},
		"type with a fragment":            {[]mutation{{app, "http://aps-standard.org/types/core/account/1.0", "http://www.parallels.com/pa/pa-core-services#account/1.0"}}, ""},
		"relation to the platform":        {[]mutation{{app, "http://aps-standard.org/types/core/account/1.0", "http://parallels.com/aps/types/pa/poa/1.0"}}, ""},
		"version of two parts":            {[]mutation{{meta, "<version>2</version>", "<version>26.0</version>"}, {meta, `version="2" release`, `version="26.0" release`}}, "not a whole number"},
		"root of another name":            {[]mutation{{meta, `<service id="app">`, `<service id="globals">`}}, "installers look for app"},
		"lower minor version":             {[]mutation{{tenant, `/tenant/2.0"`, `/tenant/2.4"`}}, ""},
		"an id in two trees":              {[]mutation{{meta, `<view id="tenants"`, `<view id="token"`}}, "is repeated"},
		"type outside the package's id":   {[]mutation{{tenant, `"id": "` + id + `/tenant/2.0"`, `"id": "http://odin.com/app/tenant/2.0"`}, {meta, id + "/tenant/2.0", "http://odin.com/app/tenant/2.0"}, {meta, id + "/tenant/2.0", "http://odin.com/app/tenant/2.0"}, {meta, id + "/tenant/2.0", "http://odin.com/app/tenant/2.0"}}, "not below the id"},
		"capitals in the id of a tile":    {[]mutation{{meta, `<view-plugin id="azure-partner-tile"`, `<view-plugin id="TCR-Tile"`}}, ""},
		"capitals in a classic screen":    {[]mutation{{meta, `<view id="token-classic"`, `<view id="tokenClassic"`}}, ""},
		"license as an address":           {[]mutation{{meta, "<url>https://www.apache.org/licenses/LICENSE-2.0</url>", "<file>https://www.apache.org/licenses/LICENSE-2.0</file>"}}, "belongs into url"},
		"must-accept absent":              {[]mutation{{meta, ` must-accept="false"`, ""}}, "whether it must be accepted"},
		"text in a link":                  {[]mutation{{meta, "</summary>\n        </presentation>\n    </service>", "</summary><infolinks><link class=\"support\" href=\"https://aps.example.com\">Support</link></infolinks></presentation></service>"}}, ""},
		"nothing instead of an attribute": {[]mutation{{tenant, `"response": {"contentType": "application/json", "type": "object"}`, `"response": {"contentType": null, "type": "object", "items": null}`}}, ""},
		"id with https":                   {[]mutation{{meta, "<id>http:", "<id>https:"}}, "begins with https"},
		"page that is implied and absent": {[]mutation{{meta, `src="ui/classic/tenants.html"`, ""}}, "not in the archive"},
		"schema without service":          {[]mutation{{"schemas/more.schema", "", "{}"}}, "no service uses"},
		"pattern of another dialect":      {[]mutation{{tenant, `"maxLength": 36`, `"pattern": "^(?!x)"`}}, "does not compile"},
		"capabilities":                    {[]mutation{{meta, "    <presentation>\n        <summary>", "<capabilities><business-mode>mss</business-mode></capabilities><categories><category>CCP</category></categories><presentation><summary>"}}, ""},
		"button without label":            {[]mutation{{meta, `<cancel label="Close">`, "<cancel>"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(base)
			for _, m := range tc.mutations {
				m.apply(t, files)
				if m.new == "\x00" {
					delete(files, m.file)
				}
			}
			findings := check(zipOf(t, files))
			if refused := pack.Refusals(findings); len(refused) > 0 {
				t.Errorf("Check() refused %v, want no refusal", refused)
			}
			if tc.want == "" {
				return
			}
			checkHas(t, findings, tc.want)
		})
	}
}
