/**
 * The part of onnx.proto that networks for inference use, as a protobufjs descriptor (github.com/onnx/onnx,
 * onnx/onnx.proto, version 1.20). What is left out (training, devices, documentation) is skipped when read.
 */
import type { INamespace, IType } from 'protobufjs/light.js'

const optional = (type: string, id: number) => ({ type, id })
const repeated = (type: string, id: number) => ({ rule: 'repeated', type, id, options: { packed: false } })
const packed = (type: string, id: number) => ({ rule: 'repeated', type, id, options: { packed: true } })

/** proto2: a field that is written as 0 differs from one that is left out. */
const message = (fields: IType['fields']): IType => ({ edition: 'proto2', fields })

export const SCHEMA: INamespace = {
  nested: {
    ModelProto: message({
      irVersion: optional('int64', 1),
      opsetImport: repeated('OperatorSetIdProto', 8),
      producerName: optional('string', 2),
      producerVersion: optional('string', 3),
      domain: optional('string', 4),
      modelVersion: optional('int64', 5),
      docString: optional('string', 6),
      graph: optional('GraphProto', 7),
      metadataProps: repeated('StringStringEntryProto', 14),
      functions: repeated('FunctionProto', 25),
    }),
    OperatorSetIdProto: message({ domain: optional('string', 1), version: optional('int64', 2) }),
    StringStringEntryProto: message({ key: optional('string', 1), value: optional('string', 2) }),
    FunctionProto: message({ name: optional('string', 1), domain: optional('string', 10) }),
    GraphProto: message({
      node: repeated('NodeProto', 1),
      name: optional('string', 2),
      initializer: repeated('TensorProto', 5),
      docString: optional('string', 10),
      input: repeated('ValueInfoProto', 11),
      output: repeated('ValueInfoProto', 12),
      valueInfo: repeated('ValueInfoProto', 13),
      sparseInitializer: repeated('SparseTensorProto', 15),
    }),
    NodeProto: message({
      input: repeated('string', 1),
      output: repeated('string', 2),
      name: optional('string', 3),
      opType: optional('string', 4),
      attribute: repeated('AttributeProto', 5),
      docString: optional('string', 6),
      domain: optional('string', 7),
    }),
    AttributeProto: message({
      name: optional('string', 1),
      f: optional('float', 2),
      i: optional('int64', 3),
      s: optional('bytes', 4),
      t: optional('TensorProto', 5),
      g: optional('GraphProto', 6),
      floats: repeated('float', 7),
      ints: repeated('int64', 8),
      strings: repeated('bytes', 9),
      tensors: repeated('TensorProto', 10),
      graphs: repeated('GraphProto', 11),
      type: optional('int32', 20),
      refAttrName: optional('string', 21),
    }),
    TensorProto: message({
      dims: repeated('int64', 1),
      dataType: optional('int32', 2),
      floatData: packed('float', 4),
      int32Data: packed('int32', 5),
      int64Data: packed('int64', 7),
      name: optional('string', 8),
      rawData: optional('bytes', 9),
      doubleData: packed('double', 10),
      uint64Data: packed('uint64', 11),
      externalData: repeated('StringStringEntryProto', 13),
      dataLocation: optional('int32', 14),
    }),
    SparseTensorProto: message({ values: optional('TensorProto', 1) }),
    ValueInfoProto: message({ name: optional('string', 1), type: optional('TypeProto', 2) }),
    TypeProto: message({ tensorType: optional('TensorTypeProto', 1) }),
    TensorTypeProto: message({ elemType: optional('int32', 1), shape: optional('TensorShapeProto', 2) }),
    TensorShapeProto: message({ dim: repeated('DimensionProto', 1) }),
    DimensionProto: message({ dimValue: optional('int64', 1), dimParam: optional('string', 2) }),
  },
}
