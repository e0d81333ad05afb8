/** The one class of the library that providers need, to be imported when a cluster is opened and not before. */
export { KubeConfig } from '@kubernetes/client-node';
