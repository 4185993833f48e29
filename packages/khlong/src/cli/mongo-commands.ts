import type { Command } from 'commander'
import { KhlongError } from '../errors.ts'
import { countArgument } from './count-argument.ts'

interface FindFlags {
  url: string
  filter: string
  sort?: string
  limit: number
}

/** `khlong mongo find`. */
export function addMongoCommands(program: Command): void {
  program
    .command('mongo')
    .description('look into any MongoDB')
    .command('find')
    .description('print documents as extended JSON, one a line')
    .argument('<database.collection>')
    .option('--url <url>', 'the server', 'mongodb://127.0.0.1:27017')
    .option('--filter <json>', 'extended JSON', '{}')
    .option('--sort <json>', 'such as {"timestamp":-1}')
    .option('--limit <n>', 'at most so many documents; 0 for all', countArgument, 20)
    .action(async (name: string, flags: FindFlags) => {
      const [database, ...rest] = name.split('.')
      if (!database || rest.length === 0)
        throw new KhlongError('KHLONG_USAGE', `expected DATABASE.COLLECTION, found ${name}`)
      const { BSON, MongoClient } = await import('mongodb')
      const client = await MongoClient.connect(flags.url, { serverSelectionTimeoutMS: 3_000 })
      try {
        const cursor = client
          .db(database)
          .collection(rest.join('.'))
          .find(BSON.EJSON.parse(flags.filter))
          .limit(flags.limit)
        if (flags.sort !== undefined) cursor.sort(BSON.EJSON.parse(flags.sort))
        for await (const document of cursor)
          process.stdout.write(`${BSON.EJSON.stringify(document)}\n`)
      } finally {
        await client.close()
      }
    })
}
