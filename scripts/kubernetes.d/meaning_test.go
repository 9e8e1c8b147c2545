package kubernetes

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestSelectors wants every selector to select the Deployment's pods, and that of the
// ServiceMonitor its Service.
func TestSelectors(t *testing.T) {
	o := built(t)
	all := map[string]*meta.LabelSelector{
		"Deployment":          o.deployment.Spec.Selector,
		"Service":             {MatchLabels: o.service.Spec.Selector},
		"PodDisruptionBudget": o.budget.Spec.Selector,
		"NetworkPolicy":       &o.network.Spec.PodSelector,
	}
	for _, c := range o.pod().TopologySpreadConstraints {
		all["spread over "+c.TopologyKey] = c.LabelSelector
	}
	for name, s := range all {
		if !selects(t, o, s) {
			t.Errorf("%s: the selector %v does not select pods with %v", name, s, o.podLabels())
		}
	}
	for name, value := range o.monitor.Spec.Selector.MatchLabels {
		if o.service.Labels[name] != value {
			t.Errorf("the ServiceMonitor wants the label %s=%s, the Service has %v", name, value, o.service.Labels)
		}
	}
	if len(o.monitor.Spec.Selector.MatchLabels) == 0 {
		t.Error("the ServiceMonitor selects every Service")
	}
}

// TestPorts wants every port that is named to be the container's, and that to be the one
// that the server listens on.
func TestPorts(t *testing.T) {
	o := built(t)
	c := o.container(t)
	if len(c.Ports) != 1 || strconv.Itoa(int(c.Ports[0].ContainerPort)) != defaultOf(t, "RS_PORT") {
		t.Fatalf("the container's ports are %v; the server listens on %s", c.Ports, defaultOf(t, "RS_PORT"))
	}
	port := intstr.FromString(c.Ports[0].Name)
	named := map[string]intstr.IntOrString{
		"liveness": c.LivenessProbe.HTTPGet.Port, "readiness": c.ReadinessProbe.HTTPGet.Port, "startup": c.StartupProbe.HTTPGet.Port,
		"Service": o.service.Spec.Ports[0].TargetPort, "NetworkPolicy": *o.network.Spec.Ingress[0].Ports[0].Port,
	}
	for name, got := range named {
		if got != port {
			t.Errorf("%s: port %s, the container's is %s", name, got.String(), port.String())
		}
	}
	if got, want := o.monitor.Spec.Endpoints[0].Port, o.service.Spec.Ports[0].Name; got != want {
		t.Errorf("the ServiceMonitor asks port %s, the Service has %s", got, want)
	}
	redis := defaultOf(t, "RS_REDISPORT")
	if v, ok := environment(c)["RS_REDISPORT"]; ok {
		redis = v
	}
	if got := o.network.Spec.Egress[0].Ports[0].Port.String(); got != redis {
		t.Errorf("the NetworkPolicy lets port %s through to Redis, which is asked at %s", got, redis)
	}
}

// TestEnvironment wants only variables that the server or Go has, and files that a volume
// brings of the Secret that the comment in kustomization.yaml makes.
func TestEnvironment(t *testing.T) {
	o := built(t)
	c := o.container(t)
	if links := o.pod().EnableServiceLinks; links == nil || *links {
		t.Error("service links are on: a Service named rs would set RS_PORT")
	}
	for name, value := range environment(c) {
		if name == "GOMEMLIMIT" {
			continue
		}
		variable, isFile := strings.CutSuffix(name, "_FILE")
		defaultOf(t, variable)
		if isFile && fileOf(t, o, value) == "" {
			t.Errorf("%s is %s, which no volume brings", name, value)
		}
		if !isFile && (strings.Contains(name, "PASSWORD") || strings.Contains(name, "KEY")) {
			t.Errorf("%s is a secret in the environment", name)
		}
	}
	limit, err := strconv.Atoi(strings.TrimSuffix(environment(c)["GOMEMLIMIT"], "MiB"))
	if memory := c.Resources.Limits.Memory().Value() >> 20; err != nil || limit < 64 || int64(limit)*10 > memory*9 {
		t.Errorf("GOMEMLIMIT is %s, the limit %d MiB: over nine tenths of it", environment(c)["GOMEMLIMIT"], memory)
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
		t.Error("there are no requests")
	}
	text := readText(t, manifests+"/kustomization.yaml")
	credentials := o.monitor.Spec.Endpoints[0].Authorization.Credentials
	keys := []string{credentials.Key}
	for _, v := range o.pod().Volumes {
		if v.Secret.SecretName != credentials.Name {
			t.Errorf("the pod has the Secret %s, the ServiceMonitor %s", v.Secret.SecretName, credentials.Name)
		}
		for _, item := range v.Secret.Items {
			keys = append(keys, item.Key)
		}
	}
	for _, key := range keys {
		if !strings.Contains(text, "--from-literal="+key+"=") {
			t.Errorf("kustomization.yaml does not say how to make %s", key)
		}
	}
	if !strings.Contains(text, "secret generic "+credentials.Name+" ") {
		t.Errorf("kustomization.yaml does not say how to make the Secret %s", credentials.Name)
	}
}

// TestPrivileges wants the pod to have none.
func TestPrivileges(t *testing.T) {
	o := built(t)
	pod, c := o.pod().SecurityContext, o.container(t).SecurityContext
	user := strings.Fields(lineOf(t, "../../Dockerfile", "USER "))[1]
	if got := strconv.FormatInt(*pod.RunAsUser, 10) + ":" + strconv.FormatInt(*pod.RunAsGroup, 10); got != user {
		t.Errorf("it runs as %s, the image is made for %s", got, user)
	}
	if !*pod.RunAsNonRoot || *pod.RunAsUser == 0 || *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || c.Privileged != nil {
		t.Errorf("it has privileges: %v %v", pod, c)
	}
	if pod.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || !slices.Equal(c.Capabilities.Drop, []core.Capability{"ALL"}) || c.Capabilities.Add != nil {
		t.Errorf("system calls or capabilities are not limited: %v %v", pod.SeccompProfile, c.Capabilities)
	}
	if token := o.pod().AutomountServiceAccountToken; token == nil || *token {
		t.Error("it has a token for the cluster")
	}
	for _, v := range o.pod().Volumes {
		if mode := *v.Secret.DefaultMode; mode != 0o440 || *pod.FSGroup != *pod.RunAsGroup {
			t.Errorf("the secrets have mode %o and group %d", mode, *pod.FSGroup)
		}
	}
}

// TestEnd wants the pod to have the time that the server takes to end, and a Deployment
// or a node that is drained to leave some pods.
func TestEnd(t *testing.T) {
	o := built(t)
	const logs = 2 * time.Second // a second a stream, at most
	needs := seconds(o.container(t).Lifecycle.PreStop.Sleep.Seconds) + duration(t, "drainGrace") + duration(t, "drainTimeout") + logs
	if has := seconds(*o.pod().TerminationGracePeriodSeconds); has < needs {
		t.Errorf("the pod has %v to end, and needs %v", has, needs)
	}
	update, replicas := o.deployment.Spec.Strategy.RollingUpdate, *o.deployment.Spec.Replicas
	if replicas < 2 || update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() < 1 {
		t.Errorf("%d replicas are updated by %v", replicas, update)
	}
	if left := int(replicas) - o.budget.Spec.MaxUnavailable.IntValue(); left < 1 || left == int(replicas) {
		t.Errorf("of %d replicas %d stay while a node is drained", replicas, left)
	}
	timeout, err := time.ParseDuration(defaultOf(t, "RS_TIMEOUT"))
	if ready := seconds(int64(o.container(t).ReadinessProbe.TimeoutSeconds)); err != nil || ready <= timeout {
		t.Errorf("/readyz may take %v and is given %v", timeout, ready)
	}
}

// TestImage wants kustomization.yaml to name the image of this version.
func TestImage(t *testing.T) {
	image := built(t).container(t).Image
	name, tag, _ := strings.Cut(image, ":")
	if version := constant(t, "../../version.go", "version"); !strings.HasSuffix(name, "/rest-sessions") || strconv.Quote(tag) != version {
		t.Errorf("the image is %s, the version %s", image, version)
	}
}

func seconds[T int64 | int32](n T) time.Duration { return time.Duration(n) * time.Second }

// duration is a constant of serve.go.
func duration(t *testing.T, name string) time.Duration {
	t.Helper()
	n, unit, ok := strings.Cut(constant(t, "../../serve.go", name), " * ")
	count, err := strconv.Atoi(n)
	if !ok || err != nil || unit != "time.Second" {
		t.Fatalf("%s is no number of seconds", name)
	}
	return seconds(int64(count))
}

// constant is the text of a constant's value in a Go file.
func constant(t *testing.T, file, name string) string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if o := tree.Scope.Lookup(name); o != nil {
		if spec, ok := o.Decl.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			return types.ExprString(spec.Values[0])
		}
	}
	t.Fatalf("%s has no constant %s", file, name)
	return ""
}
