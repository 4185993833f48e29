import { describeError, type Logger } from '@khlong/core'
import { MongoClient } from 'mongodb'
import type { DocumentExpiry } from '../config/disk-settings.ts'
import { isUnsupported } from '../outside/mongodb-refusals.ts'

const firstRetryMs = 1_000
const retryMsMax = 60_000
const indexName = 'khlong_expire'

/**
 * Makes the TTL indexes of a pipeline in whatever MongoDB it uses, and changes those that are there
 * with another time. Tries again until it can, or until `signal` says that nobody wants it any more; not
 * where the server has no such indexes.
 */
export async function keepExpiry(
  uri: string,
  expire: readonly DocumentExpiry[],
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  if (expire.length === 0) return
  for (let delayMs = firstRetryMs; !signal.aborted; delayMs = Math.min(retryMsMax, delayMs * 2)) {
    try {
      await applyExpiry(uri, expire)
      return
    } catch (error) {
      if (isUnsupported(error)) {
        const err = describeError(error)
        logger.warn({ err }, 'documents do not expire: the MongoDB server has no TTL indexes')
        return
      }
      logger.warn(
        { err: describeError(error), againInMs: delayMs },
        'documents do not expire yet: their indexes could not be made',
      )
      await pause(delayMs, signal)
    }
  }
}

async function applyExpiry(uri: string, expire: readonly DocumentExpiry[]): Promise<void> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 5_000 })
  try {
    await client.connect()
    for (const { database, collection, field, afterSeconds } of expire) {
      const db = client.db(database)
      const indexes = await db.collection(collection).indexes().catch(nothingThere)
      const found = indexes.find(
        (index) => index.expireAfterSeconds !== undefined && field in index.key,
      )
      if (!found)
        await db
          .collection(collection)
          .createIndex({ [field]: 1 }, { name: indexName, expireAfterSeconds: afterSeconds })
      else if (found.expireAfterSeconds !== afterSeconds)
        await db.command({
          collMod: collection,
          index: { keyPattern: found.key, expireAfterSeconds: afterSeconds },
        })
    }
  } finally {
    await client.close()
  }
}

/** The indexes of a collection that nobody has written to yet. */
function nothingThere(error: unknown): [] {
  if ((error as { codeName?: unknown }).codeName === 'NamespaceNotFound') return []
  throw error
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delayMs).unref()
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
