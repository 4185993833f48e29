import { once } from 'node:events'
import net from 'node:net'
import { BSON } from 'mongodb'

/** As FerretDB 1 answers, which keeps documents and knows no times to live. */
const refusal = BSON.serialize({
  ok: 0,
  errmsg: 'Index option "expireAfterSeconds" is not implemented yet',
  code: 238,
  codeName: 'NotImplemented',
})

/** A server of MongoDB's protocol without TTL indexes: it hands on all the rest to the one at `address`. */
export async function startWithoutTtl(
  t: { after(end: () => void): void },
  address: string,
): Promise<{ readonly uri: string; readonly refusedCount: number }> {
  const { hostname, port } = new URL(`tcp://${address}`)
  const sockets = new Set<net.Socket>()
  let refusedCount = 0
  const server = net.createServer((near) => {
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
      if (!bytes.includes('createIndexes\0') || !bytes.includes('expireAfterSeconds\0')) {
        far.write(bytes)
        return
      }
      refusedCount++
      // OP_MSG: length, our id, the request's id, code, flags, kind of section, document.
      const head = Buffer.alloc(21)
      head.writeInt32LE(head.length + refusal.length, 0)
      head.writeInt32LE(bytes.readInt32LE(4), 8)
      head.writeInt32LE(2013, 12)
      near.write(Buffer.concat([head, refusal]))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    uri: `mongodb://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    get refusedCount() {
      return refusedCount
    },
  }
}
