// What the sidecar of a pod makes of requests: Istio's own generator writes the configuration that Envoy would get, and Istio's
// own simulation of Envoy follows each request through it. It is a test binary, as that simulation wants a testing.T.
//
// SIDECAR_INPUT is a file with an Input, SIDECAR_OUTPUT the file that gets a list of Results.
package sidecar

import (
	"encoding/json"
	"os"
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xds"
)

type Input struct {
	Objects   string            `json:"objects"`   // Services, EndpointSlices and Pods, as YAML
	Rules     string            `json:"rules"`     // what Istio is told, as YAML
	Namespace string            `json:"namespace"` // of the pod whose sidecar it is
	Pod       string            `json:"pod"`
	Address   string            `json:"address"`
	Labels    map[string]string `json:"labels"`
	Requests  []Request         `json:"requests"`
}

type Request struct {
	Inbound bool   `json:"inbound"` // to this pod, and not from it
	Address string `json:"address"`
	Port    int    `json:"port"`
	Host    string `json:"host"`
	TLS     string `json:"tls"` // plaintext or mtls
}

type Result struct {
	Error     string `json:"error"`
	Cluster   string `json:"cluster"`
	Retries   int    `json:"retries"`
	MutualTLS bool   `json:"mutual_tls"` // whether it goes on by TLS with the mesh's certificates
}

func TestRequests(t *testing.T) {
	var input Input
	text, err := os.ReadFile(os.Getenv("SIDECAR_INPUT"))
	if err == nil {
		err = json.Unmarshal(text, &input)
	}
	if err != nil {
		t.Fatal(err)
	}
	rules, _, err := crd.ParseInputs(input.Rules)
	if err != nil {
		t.Fatal(err)
	}
	for index := range rules {
		rules[index].Domain = "cluster.local" // as istiod does, so that short names of hosts are those of Services
	}
	server := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{KubernetesObjectString: input.Objects, Configs: rules})
	proxy := server.SetupProxy(&model.Proxy{
		ID:              input.Pod + "." + input.Namespace,
		ConfigNamespace: input.Namespace,
		IPAddresses:     []string{input.Address},
		Labels:          input.Labels,
		Metadata:        &model.NodeMetadata{Namespace: input.Namespace, Labels: input.Labels},
	})
	envoy := simulation.NewSimulation(t, server, proxy)
	results := []Result{}
	for _, request := range input.Requests {
		results = append(results, follow(envoy, request))
	}
	written, err := json.Marshal(results)
	if err == nil {
		err = os.WriteFile(os.Getenv("SIDECAR_OUTPUT"), written, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func follow(envoy *simulation.Simulation, request Request) Result {
	mode := simulation.CallModeOutbound
	if request.Inbound {
		mode = simulation.CallModeInbound
	}
	call := simulation.Call{
		Address: request.Address, Port: request.Port, Path: "/charge", HostHeader: request.Host,
		Protocol: simulation.HTTP, TLS: simulation.TLSMode(request.TLS), CallMode: mode,
	}
	if call.TLS == simulation.MTLS {
		call.Alpn = "istio-http/1.1"
	}
	found := envoy.Run(call)
	result := Result{Cluster: found.ClusterMatched}
	if found.Error != nil {
		result.Error = found.Error.Error()
	}
	for _, each := range envoy.Clusters {
		if each.Name == found.ClusterMatched {
			result.MutualTLS = speaksTLS(each)
		}
	}
	for _, each := range envoy.Routes {
		for _, host := range each.VirtualHosts {
			if each.Name == found.RouteConfigMatched && host.Name == found.VirtualHostMatched {
				result.Retries = retries(host, found.RouteMatched)
			}
		}
	}
	return result
}

func speaksTLS(each *cluster.Cluster) bool {
	for _, match := range each.TransportSocketMatches {
		if match.Name == "tlsMode-"+model.IstioMutualTLSModeLabel {
			return true
		}
	}
	return each.TransportSocket != nil
}

func retries(host *route.VirtualHost, name string) int {
	for _, each := range host.Routes {
		if each.Name == name {
			return int(each.GetRoute().GetRetryPolicy().GetNumRetries().GetValue())
		}
	}
	return 0
}
