import type { Refusal } from '../../../harness/platforms/dataplanes.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/** conntrack's word for a packet: what `-m conntrack --ctstate` matches on. */
export type ConnectionState = 'NEW' | 'ESTABLISHED' | 'RELATED' | 'INVALID' | 'DNAT' | 'SNAT';

/** An address range a rule matches on; `not` for `!`. */
export interface Range {
  readonly cidr: string;
  readonly not?: boolean;
}

export interface Mark {
  readonly value: number;
  readonly mask: number;
  readonly not?: boolean;
}

/** One rule as data: all matches must hold, then the target applies. iptables and nftables render from it, sim interprets it. */
export interface Rule {
  readonly source?: Range;
  /** nftables: the source lies in none of these ranges (`ip saddr != { ... }`). */
  readonly sourceNotIn?: readonly string[];
  readonly destination?: Range;
  /** nftables: the destination is an element of this set. */
  readonly destinationSet?: string;
  /** nftables: source, destination, protocol and port are, together, an element of this set. */
  readonly flowSet?: string;
  readonly protocol?: 'tcp' | 'udp' | 'sctp';
  readonly destinationPort?: number;
  readonly states?: readonly ConnectionState[];
  readonly statesNot?: boolean;
  readonly mark?: Mark;
  /** `-m addrtype --dst-type LOCAL` (nft: fib daddr type local). */
  readonly destinationLocal?: boolean;
  /** `-m addrtype --src-type LOCAL`. */
  readonly sourceLocal?: boolean;
  /** `-m addrtype ! --src-type LOCAL`. */
  readonly sourceNotLocal?: boolean;
  /** `-m physdev ! --physdev-is-in`: did not come in through a bridge's port. */
  readonly notFromBridge?: boolean;
  /** `-m statistic --mode random`: a decimal text, so that it is rendered to the digit as kube-proxy does. */
  readonly probability?: string;
  /** sessionAffinity ClientIP: `-m recent`; in nftables a set of that name, looked up or updated. */
  readonly recent?: {
    readonly name: string;
    readonly check: 'rcheck' | 'set';
    readonly seconds?: number;
    readonly reap?: boolean;
  };
  readonly comment?: string;
  /** nftables: flips these bits of the mark before the target. */
  readonly flipMark?: number;
  readonly target: Target;
}

export type Target =
  | { readonly kind: 'jump'; readonly chain: string }
  | { readonly kind: 'goto'; readonly chain: string }
  | { readonly kind: 'accept' | 'drop' | 'return' }
  /** iptables' plain REJECT: ICMP port unreachable. */
  | { readonly kind: 'reject' }
  | { readonly kind: 'dnat'; readonly address: string; readonly port: number }
  | { readonly kind: 'masquerade'; readonly fullyRandom: boolean }
  /** `-j MARK --set-xmark value/mask`; with `or`, `--or-mark`. */
  | {
      readonly kind: 'mark';
      readonly value: number;
      readonly mask: number;
      readonly operation: 'xmark' | 'or';
    }
  /** nftables: look (address . protocol . port) or the port up in a verdict map; no element, no effect. */
  | { readonly kind: 'map'; readonly map: string; readonly key: 'service' | 'port' }
  /** nftables: `dnat ip to numgen random mod N map`: to one of these, each as likely. */
  | {
      readonly kind: 'dnat-one-of';
      readonly endpoints: readonly { readonly address: string; readonly port: number }[];
    }
  /** nftables: `numgen random mod N vmap`. */
  | { readonly kind: 'choose'; readonly chains: readonly string[] }
  /** A rule that only counts or remembers (`-m recent --set` without `-j`). */
  | { readonly kind: 'none' };

export interface Chain {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** iptables mode: what `iptables-save` would show, in the order kube-proxy writes it. Built-in chains hold the jumps. */
export interface IptablesRules {
  readonly mode: 'iptables';
  readonly nat: readonly Chain[];
  readonly filter: readonly Chain[];
  /** Only chains that no packet meets: kube-proxy's and kubelet's canaries. */
  readonly mangle?: readonly Chain[];
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** nftables mode: the table `ip kube-proxy`. */
export interface NftablesRules {
  readonly mode: 'nftables';
  readonly chains: readonly (Chain & {
    /** `priority` in nft's words: `dstnat`, `srcnat`, with an offset such as `dstnat-10`. */
    readonly hook?: { readonly type: 'nat' | 'filter'; readonly hook: Hook; readonly priority: string };
    readonly comment?: string;
  })[];
  /** Sets of IPv4 addresses: filled by kube-proxy, or by the rules that update them and then forgetful. */
  readonly sets?: readonly {
    readonly name: string;
    readonly addresses?: readonly string[];
    /** Instead of addresses: whole flows (`source . destination . protocol . port`), as a rule's `flowSet` looks them up. */
    readonly flows?: readonly {
      readonly source: string;
      readonly destination: string;
      readonly protocol: 'tcp' | 'udp' | 'sctp';
      readonly port: number;
    }[];
    /** An address is forgotten this long after the last update. */
    readonly timeoutSeconds?: number;
    readonly comment?: string;
  }[];
  /** Verdict maps: the element key is `address . protocol . port` or `protocol . port`. */
  readonly maps: readonly {
    readonly name: string;
    readonly key: 'service' | 'port';
    readonly comment?: string;
    readonly elements: readonly {
      readonly address?: string;
      readonly protocol: 'tcp' | 'udp' | 'sctp';
      readonly port: number;
      readonly target: Target;
      readonly comment?: string;
    }[];
  }[];
}

/** IPVS mode: virtual servers, all of whose addresses the node holds on kube-ipvs0. */
export interface IpvsRules {
  readonly mode: 'ipvs';
  readonly virtualServers: readonly {
    readonly address: string;
    readonly port: number;
    readonly protocol: 'tcp' | 'udp' | 'sctp';
    /** The Service's port, `namespace/service:port`. */
    readonly comment: string;
    /** New connections get the node's address as their source. */
    readonly masquerade: boolean;
    /** Sources in this range keep their address all the same (pods that use a cluster IP). */
    readonly masqueradeExcept?: string;
    /** Only these sources may use it; all when absent. */
    readonly sourceRanges?: readonly string[];
    /** sessionAffinity ClientIP: IPVS persistence, in seconds. */
    readonly stickySeconds?: number;
    /** Round robin over those with a weight; weight 0 keeps established connections and gets no new ones. */
    readonly realServers: readonly {
      readonly address: string;
      readonly port: number;
      readonly weight: number;
    }[];
  }[];
}

/** Cilium / Dataplane V2: the service map and the backend map that bpf/lib/lb.h looks up. */
export interface CiliumRules {
  readonly mode: 'cilium';
  /** What becomes of a packet that no backend is found for. */
  readonly refusal: Refusal;
  /** Established connections to a Service without backends find none either. */
  readonly establishedNeedActive: boolean;
  /** An established connection that is silent for longer is forgotten. */
  readonly idle: Millis;
  /** Also those without any backend. */
  readonly services: readonly {
    readonly address: string;
    readonly port: number;
    /** The Service's port, `namespace/service:port`. */
    readonly comment: string;
    /** The slots: where new connections go. */
    readonly backends: readonly { readonly address: string; readonly port: number }[];
    /** externalTrafficPolicy Local: only backends of this node are listed. */
    readonly local: boolean;
    /** Only these sources may use it; all when absent. */
    readonly sourceRanges?: readonly string[];
    /** sessionAffinity ClientIP, in seconds. */
    readonly stickySeconds?: number;
  }[];
  /** Every backend that any Service still has, in a slot or not, as `address:port`: an established connection needs no more. */
  readonly backends: readonly string[];
}

export type ServiceRules = IptablesRules | NftablesRules | IpvsRules | CiliumRules;

/** All that kube-proxy (or its like) puts in place on one node in one sync. */
export interface NodeRules {
  readonly node: string;
  readonly rules: ServiceRules;
  /** Addresses that the node holds as its own although they are balancers' (GKE's agent adds the VIPs to the local table). */
  readonly localAddresses: readonly string[];
  /** Health-check node ports, and 10256: what each answers on /healthz. */
  readonly health: readonly {
    readonly port: number;
    readonly ok: boolean;
    readonly localEndpoints?: number;
  }[];
}
