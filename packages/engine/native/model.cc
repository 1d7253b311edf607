#include "model.h"

#include <string>
#include <utility>
#include <vector>

#include "background.h"
#include "node/args.h"
#include "ops/cpu/onednn_matmul.h"
#include "status_error.h"

namespace vattention::engine_addon {

namespace {

using node::BooleanProperty;
using node::Elements;
using node::Integer;
using node::IntegerProperty;
using node::NumberProperty;
using node::StringProperty;

constexpr napi_type_tag kModelTag = {0x5c0f6a1f3b9d4e82, 0x97d1e4c86a2b70f5};

ops::Precision ReadPrecision(const std::string& weights) {
  if (weights == "bfloat16") return ops::Precision::kBfloat16;
  if (weights == "float32") return ops::Precision::kFloat32;
  return ops::OneDnnHasBfloat16() ? ops::Precision::kBfloat16 : ops::Precision::kFloat32;
}

ops::LlamaConfig ReadConfig(const Napi::Object& object) {
  ops::LlamaConfig config;
  config.layers = IntegerProperty<int32_t>(object, "layers");
  config.hidden_size = IntegerProperty<int32_t>(object, "hiddenSize");
  config.feed_forward_size = IntegerProperty<int32_t>(object, "feedForwardSize");
  config.query_heads = IntegerProperty<int32_t>(object, "queryHeads");
  config.kv_heads = IntegerProperty<int32_t>(object, "kvHeads");
  config.head_dim = IntegerProperty<int32_t>(object, "headDim");
  config.vocabulary_size = IntegerProperty<int32_t>(object, "vocabularySize");
  config.norm_epsilon = static_cast<float>(NumberProperty(object, "normEpsilon"));
  config.rope_base = NumberProperty(object, "ropeBase");
  config.rope_dims = IntegerProperty<int32_t>(object, "ropeDims");
  config.rope_style = StringProperty(object, "ropeStyle") == "half" ? ops::RopeStyle::kHalf
                                                                    : ops::RopeStyle::kInterleaved;
  config.rope_scale = NumberProperty(object, "ropeScale");
  config.tied_embeddings = BooleanProperty(object, "tiedEmbeddings");
  config.precision = ReadPrecision(StringProperty(object, "weights"));
  return config;
}

ops::WeightRole ReadRole(const Napi::Value& value) {
  const std::string name = value.As<Napi::String>().Utf8Value();
  const auto role = ops::ParseWeightRole(name);
  if (!role) node::ThrowInvalidArgument(value.Env(), "Unknown weight role " + name + ".");
  return *role;
}

ops::WeightSource ReadSource(const Napi::Object& object) {
  ops::WeightSource source;
  source.role = ReadRole(object.Get("role"));
  source.layer = IntegerProperty<int32_t>(object, "layer");
  source.path = StringProperty(object, "path");
  source.offset = IntegerProperty<uint64_t>(object, "offset");
  const std::string type = StringProperty(object, "type");
  const auto parsed = ops::ParseStorageType(type);
  if (!parsed) node::ThrowInvalidArgument(object.Env(), "Unknown storage type " + type + ".");
  source.type = *parsed;
  const auto shape = object.Get("shape").As<Napi::Array>();
  for (uint32_t i = 0; i < shape.Length(); ++i) {
    source.shape.push_back(Integer<int64_t>(shape.Get(i)));
  }
  return source;
}

}  // namespace

Napi::Function Model::Define(Napi::Env env) {
  return DefineClass(
      env, "NativeModel",
      {InstanceMethod<&Model::Load>("load"), InstanceMethod<&Model::Set>("set"),
       InstanceMethod<&Model::Fill>("fill"), InstanceMethod<&Model::Finish>("finish"),
       InstanceMethod<&Model::Dispose>("dispose"), InstanceAccessor<&Model::Bytes>("bytes"),
       InstanceAccessor<&Model::Weights>("weights")});
}

Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  const ops::LlamaConfig config = ReadConfig(info[0].As<Napi::Object>());
  Check(info.Env(), ops::CheckConfig(config));
  info.This().As<Napi::Object>().TypeTag(&kModelTag);
  precision_ = config.precision;
  model_ = std::make_shared<ops::LlamaModel>(config);
}

Model::~Model() {
  if (model_) Napi::MemoryManagement::AdjustExternalMemory(Env(), -reported_bytes_);
}

std::shared_ptr<const ops::LlamaModel> Model::WeightsOf(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kModelTag)) {
    node::ThrowInvalidArgument(value.Env(), "Expected a model made by createModel.");
  }
  const Model* model = Napi::ObjectWrap<Model>::Unwrap(value.As<Napi::Object>());
  model->CheckLive(value.Env());
  return model->model_;
}

void Model::CheckLive(Napi::Env env) const {
  if (!model_) throw MakeError(env, Disposed("model"));
}

void Model::ReportMemory(Napi::Env env) {
  const int64_t bytes = model_ ? static_cast<int64_t>(model_->bytes()) : 0;
  if (bytes == reported_bytes_) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes - reported_bytes_);
  reported_bytes_ = bytes;
}

Napi::Promise Model::Start(Napi::Env env, std::function<ops::Status()> work) {
  Ref();
  return Background::Start(
      env, std::move(work), [](Napi::Env e) { return e.Undefined(); },
      [this](Napi::Env e) {
        ReportMemory(e);
        Unref();
      });
}

Napi::Value Model::Load(const Napi::CallbackInfo& info) {
  CheckLive(info.Env());
  return Start(info.Env(), [model = model_, source = ReadSource(info[0].As<Napi::Object>())] {
    return model->Load(source);
  });
}

void Model::Set(const Napi::CallbackInfo& info) {
  CheckLive(info.Env());
  const auto values = Elements<float>(info[2]);
  Check(info.Env(), model_->Set(ReadRole(info[0]), Integer<int32_t>(info[1]), values.data(),
                                static_cast<int64_t>(values.size())));
  ReportMemory(info.Env());
}

Napi::Value Model::Fill(const Napi::CallbackInfo& info) {
  CheckLive(info.Env());
  return Start(info.Env(),
               [model = model_, seed = Integer<uint64_t>(info[0])] { return model->Fill(seed); });
}

Napi::Value Model::Finish(const Napi::CallbackInfo& info) {
  CheckLive(info.Env());
  const std::vector<std::string> missing = model_->Finish();
  auto result = Napi::Array::New(info.Env(), missing.size());
  for (uint32_t i = 0; i < missing.size(); ++i) {
    result.Set(i, Napi::String::New(info.Env(), missing[i]));
  }
  return result;
}

Napi::Value Model::Bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), model_ ? static_cast<double>(model_->bytes()) : 0.0);
}

Napi::Value Model::Weights(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(),
                           precision_ == ops::Precision::kBfloat16 ? "bfloat16" : "float32");
}

void Model::Dispose(const Napi::CallbackInfo& info) {
  model_.reset();
  ReportMemory(info.Env());
}

}  // namespace vattention::engine_addon
