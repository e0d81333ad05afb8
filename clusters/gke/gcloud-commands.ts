import type { Millis } from '../../harness/time/duration.ts';
import type { GkeOptions, Shape } from './gke-options.ts';
import { joined, MANAGED } from './labels.ts';
import { type LeftKind, type Location, locationFlags } from './left-kinds.ts';

/** The words after `gcloud`. */
export type Words = readonly string[];

const JSON_OUT = ['--format', 'json'];

/** Every gcloud command line that onedrop ever runs, for one project and region. */
export class GcloudCommands {
  private readonly options: GkeOptions;
  private readonly common: Words;

  constructor(options: GkeOptions) {
    this.options = options;
    this.common = ['--quiet', ...(options.project === undefined ? [] : ['--project', options.project])];
  }

  /** Who is logged in, if anybody. */
  accounts = (): Words => ['auth', 'list', '--filter', 'status:ACTIVE', ...JSON_OUT];

  currentProject = (): Words => ['config', 'get', 'project'];

  /** The region's zones and quotas; fails where the project or the permission is missing. */
  region = (): Words => ['compute', 'regions', 'describe', this.options.region, ...JSON_OUT, ...this.common];

  enabledServices = (): Words => [
    ...['services', 'list', '--enabled', '--filter', 'config.name=container.googleapis.com'],
    ...JSON_OUT,
    ...this.common,
  ];

  /** Takes five to eight minutes. */
  createCluster(name: string, shape: Shape, labels: Readonly<Record<string, string>>): Words {
    const version = this.options['gke-version'];
    return [
      ...['container', 'clusters', 'create', name, '--region', this.options.region],
      ...['--node-locations', shape.zones.join(','), '--num-nodes', String(shape.nodesPerZone)],
      ...[
        '--machine-type',
        this.options['machine-type'],
        '--disk-type',
        'pd-standard',
        '--disk-size',
        '30GB',
      ],
      ...['--release-channel', this.options.channel],
      ...(version === undefined ? [] : ['--cluster-version', version]),
      ...(shape.dataplane === 'V2' ? ['--enable-dataplane-v2'] : []),
      ...['--enable-ip-alias', '--labels', joined(labels), ...this.common],
    ];
  }

  /** Moves the expiry of a kept cluster on. */
  relabel = (name: string, labels: Readonly<Record<string, string>>): Words => [
    ...['container', 'clusters', 'update', name, '--region', this.options.region],
    ...['--update-labels', joined(labels), ...this.common],
  ];

  /** Writes into the kubeconfig that KUBECONFIG names. */
  getCredentials = (name: string): Words => [
    ...['container', 'clusters', 'get-credentials', name, '--region', this.options.region],
    ...this.common,
  ];

  deleteCluster = (name: string, location = this.options.region): Words => [
    ...['container', 'clusters', 'delete', name, '--location', location],
    ...this.common,
  ];

  /** What still works on a cluster, such as its creation: it cannot be deleted before that has ended. */
  runningOperations = (name: string, location = this.options.region): Words => [
    ...['container', 'operations', 'list', '--location', location],
    ...['--filter', `status!=DONE AND targetLink~/clusters/${name}$`, ...JSON_OUT, ...this.common],
  ];

  waitForOperation = (operation: string, location = this.options.region): Words => [
    ...['container', 'operations', 'wait', operation, '--location', location],
    ...this.common,
  ];

  listClusters = (): Words => [
    ...['container', 'clusters', 'list', '--filter', `resourceLabels.managed-by=${MANAGED['managed-by']}`],
    ...JSON_OUT,
    ...this.common,
  ];

  targetPoolHealth = (pool: string): Words => [
    ...['compute', 'target-pools', 'get-health', pool, '--region', this.options.region],
    ...JSON_OUT,
    ...this.common,
  ];

  backendServiceHealth = (backendService: string): Words => [
    ...['compute', 'backend-services', 'get-health', backendService, '--region', this.options.region],
    ...JSON_OUT,
    ...this.common,
  ];

  createRepository = (name: string, labels: Readonly<Record<string, string>>): Words => [
    ...['artifacts', 'repositories', 'create', name, '--repository-format', 'docker'],
    ...['--location', this.options.region, '--labels', joined(labels), ...this.common],
  ];

  deleteRepository = (name: string, location = this.options.region): Words => [
    ...['artifacts', 'repositories', 'delete', name, '--location', location],
    ...this.common,
  ];

  listRepositories = (): Words => [
    ...['artifacts', 'repositories', 'list', '--filter', `labels.managed-by=${MANAGED['managed-by']}`],
    ...JSON_OUT,
    ...this.common,
  ];

  /** A password for `docker login` that lives for an hour. */
  accessToken = (): Words => ['auth', 'print-access-token', '--quiet'];

  /** A machine in the clients' place that ends itself when its time is over. */
  createVm = (name: string, zone: string, labels: Readonly<Record<string, string>>, life: Millis): Words => [
    ...['compute', 'instances', 'create', name, '--zone', zone, '--machine-type', 'e2-small'],
    ...['--image-family', 'debian-12', '--image-project', 'debian-cloud', '--boot-disk-size', '10GB'],
    ...['--no-service-account', '--no-scopes', '--labels', joined(labels)],
    ...['--max-run-duration', `${Math.ceil(life / 1000)}s`, '--instance-termination-action', 'DELETE'],
    // Each client is a channel of its own, and sshd gives a session a thousand descriptors unless told otherwise.
    ...['--metadata', `startup-script=${STARTUP}`, ...this.common],
  ];

  /** A SOCKS proxy on a local port whose connections leave from the machine. */
  socks = (name: string, zone: string, port: number): Words => [
    ...['compute', 'ssh', name, '--zone', zone, ...this.common, '--'],
    ...['-N', '-D', `127.0.0.1:${port}`, '-o', 'ExitOnForwardFailure=yes', '-o', 'ServerAliveInterval=15'],
  ];

  /** Everything of a kind that GKE may leave behind; what is onedrop's is chosen from the answer. */
  listLeft = ({ group, filter }: LeftKind): Words => [
    ...['compute', group, 'list', '--filter', filter, ...JSON_OUT, ...this.common],
  ];

  deleteLeft = ({ group, name, location }: { group: string; name: string; location: Location }): Words => [
    ...['compute', group, 'delete', name, ...locationFlags(group, location), ...this.common],
  ];
}

const STARTUP = [
  '#!/bin/sh',
  'mkdir -p /etc/systemd/system/ssh.service.d',
  "printf '[Service]\\nLimitNOFILE=200000\\n' > /etc/systemd/system/ssh.service.d/limit.conf",
  'systemctl daemon-reload && systemctl restart ssh',
].join('\n');
