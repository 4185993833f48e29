export { eventually } from './eventually.ts'
export { FakeClock } from './fake-clock.ts'
export { SeededRandom } from './seeded-random.ts'
export { temporaryFolder } from './temporary-folder.ts'
