#pragma once
// --model and its overrides, and how images become its input.

#include <string>

#include "apps/vision/options.h"
#include "data/vision/dataset.h"
#include "data/vision/transform.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

/// The shorter side that photographs keep (DataOptions::photo_side): a stored model's own, else
/// twice --img-size, so that crops have something to choose from, or what is enough for 224.
int64_t photo_side_for(const VisionOptions& options);

/// The same with the options' overrides and the data's classes (and channels, where a name was
/// given). Throws InputError naming the option, the reason and the remedy.
VisionConfig choose_model(const VisionOptions& options, const DataSplits& data);

/// How a validation image becomes the model's input: timm's 0.5/0.5 normalisation; the central 7/8
/// of pictures larger than the input, all of smaller ones.
TransformOptions evaluation_transform_for(const VisionConfig& config, const DataSplits& data);

}  // namespace gmlp
