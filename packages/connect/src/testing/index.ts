// The test kit for connectors: a source or a sink runs as in a worker, without Kafka.

export { type SinkInput, type SinkTester, testSink } from './sink-tester.ts'
export { type SourceTester, testSource } from './source-tester.ts'
