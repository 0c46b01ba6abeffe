package main

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// fullSync is how often the rules are written anew, though nothing has changed.
const fullSync = time.Minute

// enforceNetworkPolicies keeps the node's iptables and ipsets as the cluster's NetworkPolicies say, for ever. It is the
// policy controller of kube-router, without its router and its proxy: for these the node has a bridge and kube-proxy.
func enforceNetworkPolicies() error {
	kubeconfig := flag.String("kubeconfig", "", "file with the address and the credentials of the API server")
	node := flag.String("node", "", "name of the node, whose pods are protected")
	services := flag.String("service-cidr", "", "addresses of Services")
	klog.InitFlags(nil)
	flag.Parse()

	connection, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(connection)
	if err != nil {
		return err
	}
	forever := make(chan struct{})
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(forever)
	factory.WaitForCacheSync(forever)

	config := options.NewKubeRouterConfig()
	config.HostnameOverride, config.EnableIPv4, config.EnableIPv6 = *node, true, false
	config.ClusterIPCIDRs, config.NodePortRange = []string{*services}, "30000-32767"
	config.IPTablesSyncPeriod = fullSync
	tables, sets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return err
	}
	var ipsets sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(client, config, pods, policies, namespaces, &ipsets, tables, sets)
	if err != nil {
		return err
	}
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		pods: controller.PodEventHandler, namespaces: controller.NamespaceEventHandler, policies: controller.NetworkPolicyEventHandler,
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	// Someone must take its signs of life, or it would wait.
	beats := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range beats {
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	controller.Run(beats, forever, &running)
	return nil
}

func runNetworkPolicies() {
	if err := enforceNetworkPolicies(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
