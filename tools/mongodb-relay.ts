import { once } from 'node:events'
import net from 'node:net'
import { BSON, type Document } from 'mongodb'

/** What becomes of what a client sends: it goes on to the server, is answered here, never, or ends the connection. */
export type RelayVerdict = 'pass' | 'nothing' | 'cut' | Document

/** A relay that runs, for tests of what a client makes of its server's answers. */
export interface MongodbRelay {
  /** HOST:PORT */
  readonly address: string
  close(): void
}

/** Stands between clients of MongoDB's protocol and the server at `address`. */
export async function startMongodbRelay(
  address: string,
  judge: (request: Buffer) => RelayVerdict,
): Promise<MongodbRelay> {
  const { hostname, port } = new URL(`tcp://${address}`)
  const sockets = new Set<net.Socket>()
  const listener = net.createServer((near) => {
    const far = net.connect(Number(port), hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        near.destroy()
        far.destroy()
      })
    }
    far.pipe(near)
    near.on('data', (bytes) => {
      const verdict = judge(bytes)
      if (verdict === 'pass') far.write(bytes)
      else if (verdict === 'cut') near.destroy()
      else if (verdict !== 'nothing') near.write(replyTo(bytes, verdict))
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    address: `127.0.0.1:${(listener.address() as net.AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy()
      listener.close()
    },
  }
}

/** An OP_MSG that answers the one in `request`: length, our id, the request's id, code, flags, kind of section, document. */
function replyTo(request: Buffer, document: Document): Buffer {
  const body = BSON.serialize(document)
  const head = Buffer.alloc(21)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(request.readInt32LE(4), 8)
  head.writeInt32LE(2013, 12)
  return Buffer.concat([head, body])
}
