export { ZooKeeperError, type ZooKeeperErrorCode } from './errors.ts'
export { zookeeperFormats } from './formats.ts'
export {
  type ResolvedZooKeeperOptions,
  resolveZooKeeperOptions,
  type ZooKeeperServerOptions,
} from './options.ts'
export { ZooKeeperServer } from './server/zookeeper-server.ts'
