// Package scripts_test checks what no compiler does: the set-up in docker-compose.yml. scripts/docker-check really runs it.
package scripts_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads docker-compose.yml as `docker compose` does, which refuses unknown fields and services.
func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeStartsInOrder(t *testing.T) {
	const healthy, completed = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	edge := map[string]string{"migrate": completed, "redis": healthy, "postgres": healthy}
	want := map[string]map[string]string{
		"balancer": {"edge1": healthy, "edge2": healthy},
		"edge1":    edge,
		"edge2":    edge,
		"migrate":  {"postgres": healthy},
		"redis":    {},
		"postgres": {},
	}
	got := map[string]map[string]string{}
	for name, service := range load(t).Services {
		got[name] = map[string]string{}
		for needed, dependency := range service.DependsOn {
			got[name][needed] = dependency.Condition
		}
	}
	if !maps.EqualFunc(got, want, maps.Equal) {
		t.Errorf("the services depend on each other like this:\n%v\nwant:\n%v", got, want)
	}
}

func TestComposeKnowsWhoIsHealthy(t *testing.T) {
	const inImage = "HEALTHCHECK " // of our Dockerfile
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range load(t).Services {
		switch check := service.HealthCheck; {
		case name == "migrate":
		case service.Image == "pandapush" && check == nil && strings.Contains(string(dockerfile), inImage):
		case check == nil || check.Disable || len(check.Test) == 0:
			t.Errorf("%s has no health check", name)
		}
	}
}

func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	for name, service := range load(t).Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s on %q: the development key would be open to the network", name, port.Published, port.HostIP)
			}
		}
	}
}

func TestBalancerKnowsEveryEdge(t *testing.T) {
	config, err := os.ReadFile("../deploy/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	edges := 0
	for name, service := range load(t).Services {
		port := service.Environment["PORT"]
		if port == nil {
			continue
		}
		edges++
		if line := fmt.Sprintf("server %s %s:%s\n", name, name, *port); !strings.Contains(string(config), line) {
			t.Errorf("deploy/haproxy.cfg lacks %q", line)
		}
	}
	if edges != 2 {
		t.Errorf("%d services have a PORT, want the 2 edges", edges)
	}
}

// A variable that serve does not know would be ignored, and its writer never told.
func TestComposeSetsOnlyWhatServeReads(t *testing.T) {
	run := exec.CommandContext(t.Context(), "go", "run", "-trimpath", "../cmd/pandapush", "serve", "--help")
	run.Env = append(os.Environ(), "CGO_ENABLED=0") // as scripts/build does: what it compiled is used again
	run.Stderr = t.Output()
	help, err := run.Output()
	if err != nil {
		t.Fatalf("serve --help: %v", err)
	}
	known := func(name string) bool {
		flag := "--" + strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		return slices.ContainsFunc(strings.FieldsFunc(string(help), func(r rune) bool { return r == ' ' || r == '=' || r == '\n' }),
			func(word string) bool { return word == flag })
	}
	for name, service := range load(t).Services {
		if service.Image != "pandapush" {
			continue
		}
		for variable := range service.Environment {
			if !known(variable) {
				t.Errorf("%s sets %s, which serve does not read", name, variable)
			}
		}
	}
}
