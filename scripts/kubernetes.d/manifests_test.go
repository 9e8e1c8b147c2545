// Package kubernetes tests examples/kubernetes: Kubernetes' own types take the files, what
// one object says of another is true, and the server runs with what the Deployment gives it.
package kubernetes

import (
	"os"
	"path/filepath"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	kustomize "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const manifests = "../../examples/kubernetes"

// objects is what is applied to a cluster.
type objects struct {
	deployment apps.Deployment
	service    core.Service
	budget     policy.PodDisruptionBudget
	network    networking.NetworkPolicy
	monitor    monitoring.ServiceMonitor
	kustomize  kustomize.Kustomization
}

func (o *objects) pod() core.PodSpec { return o.deployment.Spec.Template.Spec }

// podLabels are the labels that a pod of the Deployment has.
func (o *objects) podLabels() map[string]string { return o.deployment.Spec.Template.Labels }

// container is the only one.
func (o *objects) container(t *testing.T) core.Container {
	t.Helper()
	if n := len(o.pod().Containers) + len(o.pod().InitContainers); n != 1 {
		t.Fatalf("the pod has %d containers", n)
	}
	return o.pod().Containers[0]
}

// target returns where the bytes of one object belong, by what it says it is.
func (o *objects) target(kind meta.TypeMeta) any {
	return map[meta.TypeMeta]any{
		{APIVersion: "apps/v1", Kind: "Deployment"}:                            &o.deployment,
		{APIVersion: "v1", Kind: "Service"}:                                    &o.service,
		{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}:                 &o.budget,
		{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}:            &o.network,
		{APIVersion: "monitoring.coreos.com/v1", Kind: "ServiceMonitor"}:       &o.monitor,
		{APIVersion: "kustomize.config.k8s.io/v1beta1", Kind: "Kustomization"}: &o.kustomize,
	}[kind]
}

// decode decodes one object. A field that its type does not have, or that is there twice,
// is an error, as it is to kubectl apply --validate=strict.
func (o *objects) decode(t *testing.T, name string, text []byte) {
	t.Helper()
	var kind meta.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	target := o.target(kind)
	if target == nil {
		t.Fatalf("%s is of a kind that this test does not know: %v", name, kind)
	}
	if err := yaml.UnmarshalStrict(text, target); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// built returns the objects as kustomize makes them.
func built(t *testing.T) *objects {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), manifests)
	if err != nil {
		t.Fatal(err)
	}
	var o objects
	for _, r := range made.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		o.decode(t, r.GetKind(), text)
	}
	if made.Size() != 5 {
		t.Errorf("kustomize makes %d objects", made.Size())
	}
	return &o
}

// TestFiles wants each file to be one object, and kustomization.yaml to name all others.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob(manifests + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var o objects
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o.decode(t, file, text)
	}
	named := map[string]bool{"kustomization.yaml": true}
	for _, r := range o.kustomize.Resources {
		named[r] = true
	}
	for _, file := range files {
		if !named[filepath.Base(file)] {
			t.Errorf("kustomization.yaml does not name %s", filepath.Base(file))
		}
	}
}

// selects reports whether a selector selects a pod of the Deployment. One that selects
// everything is none.
func selects(t *testing.T, o *objects, s *meta.LabelSelector) bool {
	t.Helper()
	selector, err := meta.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return !selector.Empty() && selector.Matches(labels.Set(o.podLabels()))
}
