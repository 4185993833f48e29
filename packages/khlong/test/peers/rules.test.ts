import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@khlong/core/testing'
import { peer } from '../../../../tools/peers.ts'

const rules = fileURLToPath(new URL('../../../../pipelines/iot/rules/iot.yml', import.meta.url))

/** `once` sent one frame, whose series the sink serves for a minute; `gone` sent for five minutes. */
const series = (id: string, values: string): string =>
  `      - series: 'sample_sensor_metric_temperature{sensor_id="${id}",sensor_name="sensor ${id}",place_id="1"}'
        values: '${values}'
`

const unitTests = `rule_files: [${rules}]
evaluation_interval: 5s
tests:
  - interval: 5s
    input_series:
${series('there', '20+0x240')}${series('once', '20+0x11 stale')}${series('gone', '20+0x59 stale')}
    alert_rule_test:
      - { eval_time: 2m, alertname: SilentSensor, exp_alerts: [] }
      - { eval_time: 5m, alertname: SilentSensor, exp_alerts: [] }
      - eval_time: 6m
        alertname: SilentSensor
        exp_alerts:
          - exp_labels: { severity: critical, sensor_id: gone, sensor_name: sensor gone }
            exp_annotations:
              summary: sensor gone (gone) has sent nothing for a while
              description: Has it power and network? Its last frame is in the console under Sensors.
      - { eval_time: 14m, alertname: SilentSensor, exp_alerts: [] }
`

test('the rule for silent sensors misses those that had been there for minutes', async (t) => {
  const file = path.join(await temporaryFolder(t), 'rules-test.yml')
  await writeFile(file, unitTests)
  const output = await new Promise<string>((resolve) => {
    execFile(peer('promtool'), ['test', 'rules', file], (error, stdout, stderr) =>
      resolve(`${error ? 'failed ' : ''}${stdout}${stderr}`),
    )
  })
  assert.match(output, /SUCCESS/, output)
  assert.doesNotMatch(output, /^failed/)
})
