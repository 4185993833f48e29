import { temporaryFolder } from '@khlong/core/testing'
import { ZooKeeperServer, type ZooKeeperServerOptions } from '../../src/index.ts'

/** A server on a free port and a fresh folder, which ends with the test. */
export async function startServer(
  t: { after(cleanUp: () => Promise<void>): void },
  options: ZooKeeperServerOptions = {},
): Promise<{ server: ZooKeeperServer; address: string; folder: string }> {
  const folder = options.data ?? (await temporaryFolder(t))
  const server = new ZooKeeperServer({ listen: 0, data: folder, ...options })
  t.after(() => server.stop())
  await server.start()
  return { server, address: server.addresses.zookeeper!, folder }
}
