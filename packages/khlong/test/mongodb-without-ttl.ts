import { startMongodbRelay } from '../../../tools/mongodb-relay.ts'

/** As FerretDB 1 answers, which keeps documents and knows no times to live. */
const refusal = {
  ok: 0,
  errmsg: 'Index option "expireAfterSeconds" is not implemented yet',
  code: 238,
  codeName: 'NotImplemented',
}

/** A server of MongoDB's protocol without TTL indexes: it hands on all the rest to the one at `address`. */
export async function startWithoutTtl(
  t: { after(end: () => void): void },
  address: string,
): Promise<{ readonly uri: string; readonly refusedCount: number }> {
  let refusedCount = 0
  const relay = await startMongodbRelay(address, (request) => {
    if (!request.includes('createIndexes\0') || !request.includes('expireAfterSeconds\0'))
      return 'pass'
    refusedCount++
    return refusal
  })
  t.after(() => relay.close())
  return {
    uri: `mongodb://${relay.address}`,
    get refusedCount() {
      return refusedCount
    },
  }
}
