import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { temporaryFolder } from '@khlong/core/testing'
import { stringify } from 'yaml'
import { peer } from '../../../../tools/peers.ts'
import { ruleTemplateCases } from '../rule-template-cases.ts'

const run = promisify(execFile)

test('promtool fills in every template of rules as we do', async (t) => {
  const folder = await temporaryFolder(t)
  const annotations = (of: 0 | 1): Record<string, string> =>
    Object.fromEntries(ruleTemplateCases.map((one, index) => [`a${index}`, one[of]]))
  const labels = { instance: 'host.example.org:9100', sensor: '1' }
  await writeFile(
    path.join(folder, 'rules.yml'),
    stringify({
      groups: [{ name: 'g', rules: [{ alert: 'A', expr: 't + 0', annotations: annotations(0) }] }],
    }),
  )
  await writeFile(
    path.join(folder, 'test.yml'),
    stringify({
      rule_files: ['rules.yml'],
      tests: [
        {
          interval: '1m',
          external_labels: { site: 'north' },
          external_url: 'http://prometheus:9090/base',
          input_series: [
            { series: `t{instance="${labels.instance}",sensor="1"}`, values: '40 40' },
          ],
          alert_rule_test: [
            {
              eval_time: '1m',
              alertname: 'A',
              exp_alerts: [{ exp_labels: labels, exp_annotations: annotations(1) }],
            },
          ],
        },
      ],
    }),
  )
  await run(peer('promtool'), ['test', 'rules', path.join(folder, 'test.yml')])
})
