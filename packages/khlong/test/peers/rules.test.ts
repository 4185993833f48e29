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

/** Of a gateway whose centre is away from the fifth minute on, and whose buffer was too small. */
const forwarding = `  - interval: 5s
    input_series:
      - series: 'khlong_forward_connected{part="forward"}'
        values: '1+0x59 0+0x120'
      - series: 'khlong_forward_dropped_records_total{part="forward",topic="iot-frames"}'
        values: '0+0x120 50+0x60'
    alert_rule_test:
      - { eval_time: 9m, alertname: ForwardWaiting, exp_alerts: [] }
      - eval_time: 11m
        alertname: ForwardWaiting
        exp_alerts:
          - exp_labels: { severity: warning, part: forward }
            exp_annotations:
              summary: The centre takes no records; they wait here
              description: Look at the uplink, and at what khlong doctor says of forward. Nothing is lost while the buffer lasts.
      - { eval_time: 9m, alertname: ForwardDropped, exp_alerts: [] }
      - eval_time: 11m
        alertname: ForwardDropped
        exp_alerts:
          - exp_labels: { severity: critical, topic: iot-frames }
            exp_annotations:
              summary: 50 records of iot-frames went before they were forwarded
              description: The buffer (forward.buffer, or the topic's own retention) is too small for the time that the centre was away; the oldest went first.
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
  - interval: 5s
    input_series:
      - series: 'kafka_connect_connector_status{connector="sink",status="running"}'
        values: '1+0x60'
      - series: 'kafka_connect_connector_task_status{connector="sink",task="0",status="running"}'
        values: '1+0x60'
      - series: 'kafka_connect_connector_task_status{connector="sink",task="1",status="running"}'
        values: '1+0x10 stale'
      - series: 'kafka_connect_connector_task_status{connector="sink",task="1",status="failed"}'
        values: '_x11 1+0x20 stale'
    alert_rule_test:
      - { eval_time: 55s, alertname: ConnectorFailed, exp_alerts: [] }
      - eval_time: 2m
        alertname: ConnectorFailed
        exp_alerts:
          - exp_labels: { severity: critical, connector: sink }
            exp_annotations:
              summary: sink has failed
              description: Its records wait. khlong connect status sink shows why; khlong connect restart sink tries again.
      - { eval_time: 4m, alertname: ConnectorFailed, exp_alerts: [] }
${forwarding}`

test('the rules miss sensors that had been there for minutes, tasks that failed, and a centre that is away', async (t) => {
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
