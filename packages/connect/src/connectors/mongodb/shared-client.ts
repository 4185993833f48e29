import type { MongoClient, MongoClientOptions } from 'mongodb'

interface Shared {
  readonly opening: Promise<MongoClient>
  userCount: number
}

const byUri = new Map<string, Shared>()

/**
 * A connected client. Tasks with the same URI share one, with its sockets and its monitoring.
 *
 * @throws what the driver says; a client that could not connect is of no more use, so the next call
 *   makes a new one.
 */
export async function takeClient(
  Client: new (uri: string, options: MongoClientOptions) => MongoClient,
  uri: string,
  options: MongoClientOptions,
): Promise<MongoClient> {
  let shared = byUri.get(uri)
  if (!shared) {
    const client = new Client(uri, options)
    shared = { opening: client.connect(), userCount: 0 }
    byUri.set(uri, shared)
    shared.opening.catch(async () => {
      byUri.delete(uri)
      await client.close()
    })
  }
  // Counted before the wait: whoever gives back meanwhile is not the last user.
  shared.userCount++
  return shared.opening
}

/** Gives a client back; the last user closes it. */
export async function giveBackClient(uri: string): Promise<void> {
  const shared = byUri.get(uri)
  if (!shared || --shared.userCount > 0) return
  byUri.delete(uri)
  const client = await shared.opening
  await client.close()
}
