import { buildGoTests, runGoTests } from '../go-suite.ts'
import type { Suite } from '../suite.ts'

const version = 'v1.22.3'

/**
 * The tests of franz-go's client, `pkg/kgo`. Its chains of groups and transactions (`TestGroupETL`, `TestTxnEtl`) move
 * 10,000 records through three topics with members that come and go, and count each record by a checksum.
 */
export const franzGo: Suite = {
  name: 'franz-go',
  part: 'kafka',
  title: `franz-go ${version}, pkg/kgo`,
  async run({ start, cache, filter, say }) {
    const built = await buildGoTests(cache, {
      module: 'github.com/twmb/franz-go',
      version,
      package: './pkg/kgo',
    })
    const target = await start()
    const env = {
      KGO_SEEDS: target.bootstrapServers,
      KGO_TEST_RF: '1',
      KGO_TEST_RECORDS: '10000',
      KGO_TEST_UNSAFE: '1',
      KGO_LOG_LEVEL: 'none',
    }
    return await runGoTests(built, env, { filter, deadlineSeconds: 900, say })
  },
}
