import type { FastifyInstance } from 'fastify'
import { notConfigured } from '../errors.ts'
import type { MongoLink } from '../query/mongodb.ts'

const documentsPerPage = 100

/** `/-/mongodb/databases`, `/-/mongodb/collections`, `/-/mongodb/indexes`, `/-/mongodb/query`. */
export function mongodbRoutes(app: FastifyInstance, mongodb: MongoLink | undefined): void {
  const link = (): MongoLink => {
    if (!mongodb) throw notConfigured('mongodb')
    return mongodb
  }

  app.get('/-/mongodb/databases', async () => {
    const client = await link().client()
    const { databases } = await client.db('admin').admin().listDatabases()
    return { databases: databases.map(({ name, sizeOnDisk }) => ({ name, sizeOnDisk })) }
  })

  app.get<{ Querystring: { database?: string } }>('/-/mongodb/collections', async (request) => {
    const client = await link().client()
    const name = request.query.database ?? link().database
    const database = client.db(name)
    const found = (await database.listCollections().toArray()).slice(0, 500)
    const collections = await Promise.all(
      found.map(async (collection) => ({
        name: collection.name,
        type: collection.type ?? 'collection',
        count: await database.collection(collection.name).estimatedDocumentCount(),
      })),
    )
    return { database: name, collections: collections.sort((a, b) => a.name.localeCompare(b.name)) }
  })

  app.get<{ Querystring: { database?: string; collection: string } }>(
    '/-/mongodb/indexes',
    async (request) => {
      const client = await link().client()
      const database = client.db(request.query.database ?? link().database)
      return { indexes: await database.collection(request.query.collection).indexes() }
    },
  )

  app.get<{ Querystring: { database?: string; query: string } }>(
    '/-/mongodb/query',
    async (request, reply) => {
      const { EJSON } = await import('mongodb').then(({ BSON }) => BSON)
      const startedMs = performance.now()
      const documents = await link().run(request.query.query, request.query.database)
      const tookMs = performance.now() - startedMs
      const text = EJSON.stringify(
        {
          tookMs,
          count: documents.length,
          documents: documents.slice(0, documentsPerPage),
        },
        { relaxed: true },
      )
      return reply.header('content-type', 'application/json; charset=utf-8').send(text)
    },
  )
}
