"""Classes of scikit-learn of which no network is made, each with the reason."""

from __future__ import annotations

from .table import refuse

refuse(
    "it is made of decision trees, for which layer-wise relevance propagation has no rule; TreeSHAP explains trees",
    "AdaBoostClassifier", "AdaBoostRegressor", "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier",
    "ExtraTreeRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor", "GradientBoostingClassifier",
    "GradientBoostingRegressor", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "IsolationForest",
    "RandomForestClassifier", "RandomForestRegressor", "RandomTreesEmbedding",
)  # fmt: skip
refuse(
    "it combines several models; explain each of them",
    "BaggingClassifier", "BaggingRegressor", "CalibratedClassifierCV", "ClassifierChain", "MultiOutputClassifier",
    "OneVsOneClassifier", "OutputCodeClassifier", "RegressorChain", "StackingClassifier", "StackingRegressor",
    "VotingClassifier", "VotingRegressor",
)  # fmt: skip
refuse(
    "its answer is a vote of neighbours, which is no function with a score to share; a kernel density "
    "(KernelDensity) is one",
    "KNeighborsClassifier", "KNeighborsRegressor", "KNeighborsTransformer", "LabelPropagation", "LabelSpreading",
    "LocalOutlierFactor", "NearestNeighbors", "RadiusNeighborsClassifier", "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
)  # fmt: skip
refuse(
    "Gaussian processes have kernels that are expressions; KernelRidge of the same kernel has the same mean",
    "GaussianProcessClassifier", "GaussianProcessRegressor",
)  # fmt: skip
refuse("its output does not depend on the input", "DummyClassifier", "DummyRegressor")
refuse("it looks categories up, and has no number of a feature to share", "CategoricalNB")
refuse(
    "its output is a function of one feature, which takes all of the relevance", "IsotonicRegression",
)  # fmt: skip
refuse("explain its regressor_, and undo the transformation of the target yourself", "TransformedTargetRegressor")
refuse(
    "its clusters are those of the data that it was fitted to: it has no score for other samples; KMeans and "
    "GaussianMixture have",
    "AgglomerativeClustering", "Birch", "DBSCAN", "HDBSCAN", "OPTICS",
    "SpectralBiclustering", "SpectralClustering", "SpectralCoclustering",
)  # fmt: skip
refuse(
    "it places the data that it was fitted to, and computes nothing of other samples that could be explained",
    "ClassicalMDS", "Isomap", "LocallyLinearEmbedding", "MDS", "SpectralEmbedding", "TSNE",
)  # fmt: skip
refuse(
    "its features solve an equation for each sample, and are no function of a few layers",
    "BernoulliRBM", "DictionaryLearning", "LatentDirichletAllocation", "MiniBatchDictionaryLearning", "MiniBatchNMF",
    "MiniBatchSparsePCA", "NMF", "SparseCoder", "SparsePCA",
)  # fmt: skip
refuse(
    "it approximates a kernel by features of its own; give the kernel itself to lrp.neuralise.svc",
    "AdditiveChi2Sampler", "KernelCenterer", "KernelPCA", "Nystroem", "PolynomialCountSketch", "RBFSampler",
    "SkewedChi2Sampler",
)  # fmt: skip
refuse(
    "it makes several features of one, or one of several; apply it yourself and explain what stands behind it",
    "FeatureAgglomeration", "KBinsDiscretizer", "PatchExtractor", "PolynomialFeatures", "PowerTransformer",
    "QuantileTransformer", "SplineTransformer",
)  # fmt: skip
refuse(
    "it encodes categories or fills gaps, of which there is nothing to share; apply it yourself and explain what "
    "stands behind it",
    "DictVectorizer", "FeatureHasher", "KNNImputer", "LabelBinarizer", "LabelEncoder", "MissingIndicator",
    "MultiLabelBinarizer", "OneHotEncoder", "OrdinalEncoder", "SimpleImputer", "TargetEncoder", "IterativeImputer",
)  # fmt: skip
refuse(
    "features go several ways in it; apply it yourself and explain what stands behind it",
    "ColumnTransformer", "FeatureUnion",
)  # fmt: skip
refuse(
    "it estimates a covariance, and has no score of a class; GaussianMixture(1) has the outlier score of a Gaussian",
    "EllipticEnvelope", "EmpiricalCovariance", "GraphicalLasso", "GraphicalLassoCV", "LedoitWolf", "MinCovDet", "OAS",
    "ShrunkCovariance",
)  # fmt: skip
refuse("it transforms two tables together, and has no score", "PLSSVD")
