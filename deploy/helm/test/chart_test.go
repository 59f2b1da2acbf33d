// Package chart_test examines the Helm chart. It is a module of its own, because Helm and Kubernetes would be the largest
// dependencies of the connector.
package chart_test

import (
	"bufio"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

const path = "../azure-partner-connector"

// configuration is a complete one.
var configuration = map[string]any{
	"hooks":      map[string]any{"publicURL": "https://connector.example.com/aps"},
	"onboarding": map[string]any{"publicURL": "https://onboarding.example.com"},
	"database":   map[string]any{"driver": "mysql", "dsnFile": "/run/secrets/connector/dsn"},
	"keys":       map[string]any{"file": "/run/secrets/connector/connector.keys"},
	"instances":  []any{map[string]any{"key": "key-1", "secretFile": "/run/secrets/connector/instance-secret"}},
}

// objects are the objects of a release by kind and name.
type objects map[string]any

// render renders the chart and decodes every object strictly.
func render(t *testing.T, values map[string]any) (objects, error) {
	t.Helper()
	chart, err := loader.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "apc", Namespace: "connector", IsInstall: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(chart, merged)
	if err != nil {
		return nil, err
	}
	all := objects{}
	for name, content := range files {
		if strings.HasSuffix(name, ".txt") {
			continue
		}
		reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(content)))
		for {
			document, err := reader.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if strings.TrimSpace(string(document)) == "" || strings.TrimSpace(string(document)) == "---" {
				continue
			}
			all.add(t, name, document)
		}
	}
	return all, nil
}

func (o objects) add(t *testing.T, file string, document []byte) {
	t.Helper()
	var head struct {
		APIVersion string                `json:"apiVersion"`
		Kind       string                `json:"kind"`
		Metadata   struct{ Name string } `json:"metadata"`
	}
	if err := strict.Unmarshal(document, &head); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	kinds := map[string]func() any{
		"apps/v1 Deployment":                 func() any { return &appsv1.Deployment{} },
		"batch/v1 Job":                       func() any { return &batchv1.Job{} },
		"v1 ConfigMap":                       func() any { return &corev1.ConfigMap{} },
		"v1 Service":                         func() any { return &corev1.Service{} },
		"networking.k8s.io/v1 NetworkPolicy": func() any { return &networkingv1.NetworkPolicy{} },
		"policy/v1 PodDisruptionBudget":      func() any { return &policyv1.PodDisruptionBudget{} },
	}
	empty, ok := kinds[head.APIVersion+" "+head.Kind]
	if !ok {
		t.Fatalf("%s has a %s %s, which this test does not know", file, head.APIVersion, head.Kind)
	}
	object := empty()
	if err := strict.UnmarshalStrict(document, object); err != nil {
		t.Fatalf("%s: %s %s: %v\n%s", file, head.Kind, head.Metadata.Name, err, document)
	}
	key := head.Kind + " " + head.Metadata.Name
	if o[key] != nil {
		t.Errorf("%s twice", key)
	}
	o[key] = object
}

func TestChart_Lint(t *testing.T) {
	result := lint.All(path, map[string]any{"config": configuration}, "connector", true)
	for _, m := range result.Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}

func TestChart_Objects(t *testing.T) {
	all, err := render(t, map[string]any{"config": configuration})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ConfigMap apc", "ConfigMap apc-migration", "Deployment apc", "Job apc-migration", "NetworkPolicy apc", "PodDisruptionBudget apc",
		"Service apc-hooks", "Service apc-onboarding", "Service apc-private",
	}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Errorf("the release has %q, want %q", got, want)
	}
	deployment := all["Deployment apc"].(*appsv1.Deployment)
	pod := deployment.Spec.Template.Spec
	ports := map[string]int32{}
	for _, p := range pod.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	for name := range map[string]bool{"hooks": true, "onboarding": true, "private": true} {
		service := all["Service apc-"+name].(*corev1.Service)
		if target := service.Spec.Ports[0].TargetPort; target != intstr.FromString(name) || ports[name] == 0 {
			t.Errorf("the service of %s targets %v, which no container has", name, target)
		}
		for key, value := range service.Spec.Selector {
			if deployment.Spec.Template.Labels[key] != value {
				t.Errorf("the service of %s selects %s=%s, which no pod has", name, key, value)
			}
		}
	}
	checkPod(t, "replicas", pod)
	checkPod(t, "job", all["Job apc-migration"].(*batchv1.Job).Spec.Template.Spec)
	if got := pod.Containers[0].Args; !slices.Equal(got, []string{"serve", "--no-migrate"}) {
		t.Errorf("the replicas run %q, want that the job alone migrates", got)
	}
	if seconds := *pod.TerminationGracePeriodSeconds; seconds <= 15+20 {
		t.Errorf("a pod is killed after %d seconds, before drain and grace have passed", seconds)
	}
	// Pods of the job must get no requests.
	for key, value := range deployment.Spec.Selector.MatchLabels {
		if all["Job apc-migration"].(*batchv1.Job).Spec.Template.Labels[key] != value {
			return
		}
	}
	t.Error("the deployment selects the pods of the job, too")
}

// checkPod checks what keeps a pod from doing more than it has to.
func checkPod(t *testing.T, what string, pod corev1.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	switch {
	case pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken:
		t.Errorf("%s: has a token of the cluster", what)
	case pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot:
		t.Errorf("%s: may run as root", what)
	case c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem:
		t.Errorf("%s: may write into its image", what)
	case c.SecurityContext.AllowPrivilegeEscalation == nil || *c.SecurityContext.AllowPrivilegeEscalation || !slices.Contains(c.SecurityContext.Capabilities.Drop, "ALL"):
		t.Errorf("%s: has capabilities", what)
	}
	mounted := map[string]bool{}
	for _, v := range pod.Volumes {
		mounted[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !mounted[m.Name] {
			t.Errorf("%s: mounts %s, which is no volume", what, m.Name)
		}
	}
}

func TestChart_Variants(t *testing.T) {
	all, err := render(t, map[string]any{
		"config": configuration, "replicas": 1, "migration": map[string]any{"enabled": false}, "networkPolicy": map[string]any{"enabled": false},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ConfigMap apc", "Deployment apc", "Service apc-hooks", "Service apc-onboarding", "Service apc-private"}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Errorf("a release with one replica, without job and policy, has %q, want %q", got, want)
	}
	if got := all["Deployment apc"].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Args; !slices.Equal(got, []string{"serve"}) {
		t.Errorf("without the job, the replica runs %q, want that it migrates", got)
	}
	all, err = render(t, map[string]any{"config": configuration, "migration": map[string]any{"dsnKey": "owner-dsn"}, "env": []any{map[string]any{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}}})
	if err != nil {
		t.Fatal(err)
	}
	job := all["Job apc-migration"].(*batchv1.Job).Spec.Template.Spec.Containers[0]
	i := slices.IndexFunc(job.Env, func(e corev1.EnvVar) bool { return e.Name == "CONNECTOR_DATABASE__DSN" })
	if i < 0 || job.Env[i].ValueFrom.SecretKeyRef.Key != "owner-dsn" || !slices.ContainsFunc(job.Env, func(e corev1.EnvVar) bool { return e.Name == "HTTPS_PROXY" }) {
		t.Errorf("the job has the environment %+v", job.Env)
	}
}

// TestChart_ListenersForClients turns on the token API, then the egress, too.
func TestChart_ListenersForClients(t *testing.T) {
	config := maps.Clone(configuration)
	config["api"] = map[string]any{"publicURL": "https://tokens.example.com", "trustedProxies": []any{"10.0.0.0/8"}}
	config["egress"] = map[string]any{"publicURL": "https://egress.example.com", "tls": map[string]any{"certFile": "/run/secrets/connector/tls.pem", "keyFile": "/run/secrets/connector/tls.key"}}
	services := map[string]any{}
	on := []string{}
	for _, listener := range []struct {
		name, variable, port string
		number               int32
	}{{"api", "CONNECTOR_API__LISTEN", "http", 8082}, {"egress", "CONNECTOR_EGRESS__LISTEN", "https", 8083}} {
		before, err := render(t, map[string]any{"config": config, "services": services})
		if err != nil {
			t.Fatal(err)
		}
		if before["Service apc-"+listener.name] != nil || has(before, listener.name, listener.variable) {
			t.Errorf("the listener %s is on although nobody turned it on", listener.name)
		}
		services[listener.name] = map[string]any{"enabled": true}
		on = append(on, listener.name)
		all, err := render(t, map[string]any{"config": config, "services": services})
		if err != nil {
			t.Fatal(err)
		}
		service, ok := all["Service apc-"+listener.name].(*corev1.Service)
		if !ok || !has(all, listener.name, listener.variable) {
			t.Fatalf("with %s the release has %q", on, slices.Sorted(maps.Keys(all)))
		}
		if p := service.Spec.Ports[0]; p.Name != listener.port || p.Port != listener.number || p.TargetPort != intstr.FromString(listener.name) {
			t.Errorf("the service of %s has the port %+v", listener.name, p)
		}
		rules := all["NetworkPolicy apc"].(*networkingv1.NetworkPolicy).Spec.Ingress
		i := slices.IndexFunc(rules, func(r networkingv1.NetworkPolicyIngressRule) bool { return r.Ports[0].Port.StrVal == "api" })
		if i < 0 || len(rules[i].Ports) != len(on) || len(rules[i].From) != 1 || rules[i].From[0].PodSelector == nil {
			t.Errorf("with %s the policy has %+v, want a rule that admits the pods of the namespace to them", on, rules)
		}
	}
}

// TestChart_AnEmptyListOfPeersAdmitsNobody: to Kubernetes it would admit everyone, to the metrics without access control, too.
func TestChart_AnEmptyListOfPeersAdmitsNobody(t *testing.T) {
	config := maps.Clone(configuration)
	config["api"] = map[string]any{"publicURL": "https://tokens.example.com", "trustedProxies": []any{"10.0.0.0/8"}}
	all, err := render(t, map[string]any{
		"config": config, "services": map[string]any{"api": map[string]any{"enabled": true}},
		"networkPolicy": map[string]any{"metricsFrom": []any{}, "clientsFrom": []any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range all["NetworkPolicy apc"].(*networkingv1.NetworkPolicy).Spec.Ingress {
		for _, p := range rule.Ports {
			if name := p.Port.StrVal; name != "hooks" && name != "onboarding" {
				t.Errorf("the policy admits %+v to the port %s, want nobody", rule.From, name)
			}
		}
	}
}

// has reports whether the replicas have a port with a name, and an environment variable.
func has(all objects, port, variable string) bool {
	c := all["Deployment apc"].(*appsv1.Deployment).Spec.Template.Spec.Containers[0]
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) &&
		slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == variable })
}

func TestChart_Refuses(t *testing.T) {
	unencrypted := maps.Clone(configuration)
	unencrypted["egress"] = map[string]any{"publicURL": "https://egress.example.com"}
	for name, values := range map[string]map[string]any{
		"config":         {},
		"existingSecret": {"config": configuration, "existingSecret": ""},
		"config.api":     {"config": configuration, "services": map[string]any{"api": map[string]any{"enabled": true}}},
		"config.egress":  {"config": unencrypted, "services": map[string]any{"egress": map[string]any{"enabled": true}}},
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("rendering without %s = %v, want an error that names it", name, err)
		}
	}
}
