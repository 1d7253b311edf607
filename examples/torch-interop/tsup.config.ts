import { bundle } from '../../tsup.shared.ts'

export default bundle(['src/main.ts'])
