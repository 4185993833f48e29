export { ZooKeeperError, type ZooKeeperErrorCode } from './errors.ts'
export {
  type ResolvedZooKeeperOptions,
  resolveZooKeeperOptions,
  type ZooKeeperServerOptions,
} from './options.ts'
export { ZooKeeperServer } from './server/zookeeper-server.ts'
